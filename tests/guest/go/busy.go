// SPDX-License-Identifier: GPL-2.0-or-later

// busy - all that Go's runtime asks of signals, threads and clocks, at once
//
//	busy [PORT]
//
// Goroutines compute without a call, so the runtime preempts them by SIGURG;
// others make garbage, sleep by timers, and talk TLS to each other over the
// loopback. Each checks what it computes. A client of PORT, by TLS too, sends
// lines and gets each back with the counters of all. SIGTERM ends it; status
// and last line say whether anything was wrong.
package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	spinners   = 3
	talkers    = 4
	chunkBytes = 4000
)

var (
	stop                       atomic.Bool
	spins, ticks, talks, heaps atomic.Int64
	wrong                      atomic.Int64
	firstWrong                 sync.Once
	workers                    sync.WaitGroup
	spinResult                 uint64
	certificate                tls.Certificate
)

func complain(format string, arguments ...any) {
	wrong.Add(1)
	firstWrong.Do(func() { fmt.Printf("wrong: "+format+"\n", arguments...) })
}

func selfMade() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template,
		&key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// No call and no allocation: only a signal takes the thread away.
func compute(rounds int) uint64 {
	x, f := uint64(88172645463325252), 1.5
	for i := 0; i < rounds; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		f = f*1.0000001 + float64(x&0xff)
		if f > 1e9 {
			f *= 1e-9
		}
	}
	return x ^ uint64(f*1e6)
}

const spinRounds = 2000000

func spin() {
	for !stop.Load() {
		if got := compute(spinRounds); got != spinResult {
			complain("computed %x and not %x", got, spinResult)
		}
		spins.Add(1)
	}
}

// Time goes on, and no timer comes early.
func tick(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last := time.Now()
	for !stop.Load() {
		<-ticker.C // its time is reckoned: a late tick's is ahead of the clock
		now := time.Now()
		if now.Before(last) {
			complain("the clock went back by %v", last.Sub(now))
		}
		last = now
		begin := time.Now()
		time.Sleep(every / 4)
		if slept := time.Since(begin); slept < every/4 {
			complain("slept %v of %v", slept, every/4)
		}
		ticks.Add(1)
	}
}

type node struct {
	left, right *node
	value       int
}

func grow(depth int) *node {
	if depth == 0 {
		return &node{value: 1}
	}
	return &node{grow(depth - 1), grow(depth - 1), 0}
}

func (n *node) sum() int {
	if n == nil {
		return 0
	}
	return n.value + n.left.sum() + n.right.sum()
}

func makeGarbage() {
	for !stop.Load() {
		if sum := grow(10).sum(); sum != 1<<10 {
			complain("a tree of %d leaves", sum)
		}
		heaps.Add(1)
		time.Sleep(time.Millisecond)
	}
}

// The other end answers with the sum of each chunk.
func answer(connection net.Conn) {
	defer connection.Close()
	chunk := make([]byte, chunkBytes)
	for {
		if _, err := io.ReadFull(connection, chunk); err != nil {
			return
		}
		sum := sha256.Sum256(chunk)
		if _, err := connection.Write(sum[:]); err != nil {
			return
		}
	}
}

func talk(address string, seed uint64) {
	config := &tls.Config{InsecureSkipVerify: true}
	chunk, sum := make([]byte, chunkBytes), make([]byte, sha256.Size)
	for !stop.Load() {
		connection, err := tls.Dial("tcp", address, config)
		if err != nil {
			complain("dial: %v", err)
			return
		}
		for i := 0; i < 20 && !stop.Load(); i++ {
			for at := 0; at+8 <= len(chunk); at += 8 {
				seed = seed*6364136223846793005 + 1442695040888963407
				binary.LittleEndian.PutUint64(chunk[at:], seed)
			}
			want := sha256.Sum256(chunk)
			connection.SetDeadline(time.Now().Add(5 * time.Minute))
			if _, err := connection.Write(chunk); err != nil {
				complain("write: %v", err)
			} else if _, err := io.ReadFull(connection, sum); err != nil {
				complain("read: %v", err)
			} else if !bytes.Equal(sum, want[:]) {
				complain("another sum")
			}
			talks.Add(1)
		}
		connection.Close()
	}
}

func accept(listener net.Listener, serve func(net.Conn)) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go serve(connection)
	}
}

func counters() string {
	return fmt.Sprintf("spins %d ticks %d talks %d heaps %d wrong %d",
		spins.Load(), ticks.Load(), talks.Load(), heaps.Load(), wrong.Load())
}

func client(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	for lines.Scan() {
		if _, err := fmt.Fprintln(connection, lines.Text(), counters()); err != nil {
			return
		}
	}
}

func listen(address string) net.Listener {
	listener, err := tls.Listen("tcp", address,
		&tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		panic(err)
	}
	return listener
}

func start(work func()) {
	workers.Add(1)
	go func() {
		defer workers.Done()
		work()
	}()
}

func main() {
	port := "7000"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if off := strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1"); off {
		panic("preemption is off")
	}
	runtime.GOMAXPROCS(2)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	certificate = selfMade()
	spinResult = compute(spinRounds)
	inside := listen("127.0.0.1:0")
	go accept(inside, answer)
	go accept(listen(":"+port), client)
	for i := 0; i < spinners; i++ {
		start(spin)
	}
	for i := 0; i < talkers; i++ {
		seed := uint64(i)
		start(func() { talk(inside.Addr().String(), seed) })
	}
	start(func() { tick(2 * time.Millisecond) })
	start(func() { tick(20 * time.Millisecond) })
	start(makeGarbage)
	fmt.Println("ready")
	<-end
	stop.Store(true)
	workers.Wait()
	fmt.Println("done:", counters())
	if wrong.Load() != 0 {
		os.Exit(1)
	}
}
