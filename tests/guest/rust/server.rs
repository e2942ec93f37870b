// SPDX-License-Identifier: GPL-2.0-or-later
//! server.rs - a server as the standard library of Rust makes them: a thread
//! for each connection, channels, locks, timeouts, and a panic that is caught.
//!
//!   server PORT
//!
//! A line "sum N" is answered by the sum of 1..=N, worked out by four threads;
//! "count" by how many lines this server has answered; "panic" by what caught
//! the panic; "sleep MS" when so many milliseconds are over.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};
use std::{env, panic, process, thread};

const PARTS: u64 = 4;

fn sum_to(n: u64) -> u64 {
    let (sender, receiver) = mpsc::channel();
    for part in 0..PARTS {
        let sender = sender.clone();
        thread::spawn(move || {
            let sum: u64 = (1..=n).filter(|i| i % PARTS == part).sum();
            sender.send(sum).unwrap();
        });
    }
    drop(sender);
    receiver.iter().sum()
}

fn sleep_ms(ms: u64) -> bool {
    let gate = (Mutex::new(false), Condvar::new());
    let begun = Instant::now();
    let guard = gate.0.lock().unwrap();
    let (_guard, result) = gate
        .1
        .wait_timeout_while(guard, Duration::from_millis(ms), |open| !*open)
        .unwrap();
    result.timed_out() && begun.elapsed() >= Duration::from_millis(ms)
}

fn caught() -> String {
    match panic::catch_unwind(|| -> u64 { panic!("asked for") }) {
        Ok(_) => "nothing".to_string(),
        Err(what) => what
            .downcast_ref::<&str>()
            .map_or("something".to_string(), |s| s.to_string()),
    }
}

fn serve(
    stream: TcpStream,
    answered: Arc<AtomicU64>,
    sums: Arc<RwLock<HashMap<u64, u64>>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or("");
        let number = words.next().and_then(|w| w.parse::<u64>().ok());
        let reply = match (command, number) {
            ("sum", Some(n)) => {
                let known = sums.read().unwrap().get(&n).copied();
                let sum = known.unwrap_or_else(|| sum_to(n));
                sums.write().unwrap().insert(n, sum);
                sum.to_string()
            }
            ("count", None) => answered.load(Ordering::SeqCst).to_string(),
            ("panic", None) => caught(),
            ("sleep", Some(ms)) => sleep_ms(ms).to_string(),
            _ => "what?".to_string(),
        };
        answered.fetch_add(1, Ordering::SeqCst);
        writeln!(writer, "{}", reply)?;
    }
    Ok(())
}

fn main() {
    let port = env::args().nth(1).and_then(|p| p.parse::<u16>().ok());
    let port = port.unwrap_or_else(|| {
        eprintln!("usage: server PORT");
        process::exit(2)
    });
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    let sums = Arc::new(RwLock::new(HashMap::new()));

    panic::set_hook(Box::new(|_| {}));
    println!("ready");
    for stream in listener.incoming() {
        let (answered, sums) = (answered.clone(), sums.clone());
        thread::spawn(move || serve(stream.unwrap(), answered, sums));
    }
}
