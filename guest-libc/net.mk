# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-libc/net.mk - lwIP and the glue around it
#
# lwIP is compiled with the library's own flags and without warnings: its
# code is not ours.  Only the parts in use are built.

LIBC_NET := cookie demux listen names
LIBC_NET += abandon checksum clock dgram frame heap icmp interface lease line \
	link lwip-libc poller random resolv sock sock-info sock-state tcp-timers
LIBC_NET += tcp-icmp
LIBC_NET += settle linger
LIBC_LWIP := core/def core/inet_chksum core/init core/ip core/mem core/memp \
	core/netif core/pbuf core/stats core/sys core/tcp core/tcp_in \
	core/tcp_out core/udp core/raw core/ipv4/dhcp core/ipv4/etharp core/ipv4/icmp \
	core/ipv4/ip4 core/ipv4/ip4_addr core/ipv4/ip4_frag netif/ethernet

LIBC_NET_CPPFLAGS := -Iguest-libc/net -I$(LWIP_TREE)/src/include

LIBOS_OBJS += $(LIBC_NET:%=$(LIBOS_B)/net/%.o) \
	$(LIBC_LWIP:%=$(LIBOS_B)/lwip/%.o)

$(LIBC_NET:%=$(LIBOS_B)/net/%.o): private LIBOS_CFLAGS += $(LIBC_NET_CPPFLAGS)
$(LIBC_NET:%=$(LIBOS_B)/net/%.o): | $(LWIP_STAMP)

$(LIBC_LWIP:%=$(LIBOS_B)/lwip/%.o): $(LIBOS_B)/lwip/%.o: $(LWIP_STAMP) \
		$(wildcard guest-libc/net/*.h guest-libc/net/arch/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LIBOS_CFLAGS) $(LIBC_NET_CPPFLAGS) -w -c \
		-o $@ $(LWIP_TREE)/src/$*.c
