# SPDX-License-Identifier: GPL-2.0-or-later
#
# store.mk - the checkpoint log: objects for ckptd, ckptctl and their tests
#
# STORE_OBJS   link these; needs $(STORE_LIBS)
# bench-store  durable appends a second, on the disk that holds $(B)

STORE_SRCS := $(addprefix ckptd/ckptd-,error.c lookup.c guest-dir.c sum.c io.c io-later.c meta.c manifest.c \
	segment.c record.c recover.c log.c log-segments.c log-fold.c \
	index.c fold.c store.c snapshot.c \
	label.c arrival.c moved.c origin.c image.c \
	verify.c)
STORE_OBJS := $(STORE_SRCS:%.c=$(B)/%.o)
STORE_CFLAGS := $(shell pkg-config --cflags glib-2.0)
STORE_LIBS := $(shell pkg-config --libs glib-2.0)

$(STORE_OBJS): $(B)/%.o: %.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(STORE_CFLAGS) -MMD -MP \
		-c -o $@ $<

-include $(STORE_OBJS:.o=.d)

STORE_BENCH := $(B)/ckptd/ckptd-store-bench

$(STORE_BENCH).o: ckptd/ckptd-store-bench.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_HOST) $(CPPFLAGS_HOST) $(STORE_CFLAGS) -MMD -MP \
		-c -o $@ $<

$(STORE_BENCH): $(STORE_BENCH).o $(STORE_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_HOST) $(LDFLAGS_HOST) -o $@ $^ $(STORE_LIBS)

.PHONY: bench-store
bench-store: $(STORE_BENCH) ## durable checkpoints a second on this disk
	@mkdir -p $(B)/bench-store
	$(Q)$(STORE_BENCH) $(B)/bench-store

-include $(STORE_BENCH).d
