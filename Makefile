# SPDX-License-Identifier: MIT
# The menu: a thin front over Meson. Every target installs what it needs (Debian), and builds in build/.

BUILD = build/plain
PREFIX = /usr/local
# Meson's own choice is lib64 where dpkg-architecture(1) is missing, and nobody looks there.
LIBDIR = lib
SECONDS = 600

.PHONY: help all demo test soak interop fuzz hostile torture systems conditions old-kernels sanitize selftest cross cross-compile lint bench install format clean

help:
	@echo "make demo     build, and show two programs exchanging messages, descriptors and identities"
	@echo "make test     build and run all tests, plain and under sanitizers"
	@echo "make soak     the engine for an hour, half of it with kill -9, counted at both ends: SECONDS=600 for each of six parts"
	@echo "make selftest a report of what works here, to be pasted; selftest/README.md: how on other systems"
	@echo "make cross    Linux on i686, arm64, armhf, riscv64, s390x and more; musl; gcc and clang; old glibc; Android: STEPS=..."
	@echo "make cross-compile  for macOS (linked), FreeBSD, OpenBSD, NetBSD, DragonFly BSD and illumos"
	@echo "make interop  with systemd, D-Bus, socat, nc, Python, Perl, s6 and tmux, both ways"
	@echo "make fuzz     each fuzz target for FUZZ_SECONDS=900, two at once; FUZZER=afl: with AFL++"
	@echo "make hostile  every known attack on servers, with a good client beside: SECONDS=2 for each"
	@echo "make conditions   all tests on older kernels, under a signal each millisecond, stopped and continued; CONDITIONS=..."
	@echo "make old-kernels  the first of these alone; make sanitize: all tests under TSan, MSan and valgrind"
	@echo "make torture  every test again with one system call failing: a sample (EACH=4 CASE_SECONDS=15); EACH=0: every place and error; PROGRAMS=... (tool: the command)"
	@echo "make systems  all tests on the files of macOS, the BSDs and illumos, over a fake of their calls: SYSTEM=..."
	@echo "make lint     layers, symbols, headers, manual pages, formatting, sizes"
	@echo "make bench    the library beside the raw system calls"
	@echo "make all      build only, in $(BUILD)"
	@echo "make install  install to PREFIX=$(PREFIX), under DESTDIR if set"
	@echo "make format   format the C sources"
	@echo "make clean    remove build/"

# Anew when packages have come since: event loops that were not there, for one.
RECONFIGURE = $(if $(wildcard $(BUILD)/build.ninja),--reconfigure)
DIRS = --prefix=$(PREFIX) --libdir=$(LIBDIR)

$(BUILD)/build.ninja: $(wildcard /var/lib/dpkg/status)
	@scripts/setup.sh build
	@mkdir -p build && meson setup $(RECONFIGURE) $(BUILD) $(DIRS) >build/setup.log || { cat build/setup.log; exit 1; }

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

demo: all
	@scripts/demo.sh $(BUILD)/tool/unx

test:
	@scripts/setup.sh test
	@scripts/test.sh

soak: all
	@scripts/setup.sh soak
	@scripts/soak.sh $(BUILD) $(SECONDS)
	@PLOT=build/soak.svg scripts/soak_kill.sh $(BUILD) $$((3 * $(SECONDS)))

selftest:
	@scripts/setup.sh build
	@selftest/one_line.sh .

cross:
	@scripts/setup.sh cross
	@scripts/cross.sh $(STEPS)

cross-compile:
	@scripts/setup.sh cross-compile
	@scripts/cross_compile.sh

interop:
	@scripts/setup.sh interop
	@scripts/interop.sh

fuzz:
	@scripts/setup.sh fuzz
	@fuzz/run.sh

hostile: SECONDS = 2
hostile: all
	@scripts/setup.sh test
	@scripts/hostile.sh $(BUILD) $(SECONDS)

torture: all
	@scripts/setup.sh test
	@scripts/torture.sh $(BUILD)

systems: all
	@scripts/setup.sh test
	@python3 test/systems/run.py . $(BUILD) $(SYSTEM:%=--system %)

conditions:
	@scripts/setup.sh test
	@scripts/conditions.sh $(CONDITIONS)

old-kernels:
	@scripts/setup.sh test
	@scripts/conditions.sh kernels

sanitize:
	@scripts/setup.sh test
	@scripts/conditions.sh sanitizers

lint:
	@scripts/setup.sh lint
	@$(MAKE) --no-print-directory all
	@scripts/lint.sh

bench:
	@scripts/setup.sh bench
	@scripts/bench.sh

# PREFIX may be another one than when it was built.
install: $(BUILD)/build.ninja
	@meson setup --reconfigure $(BUILD) $(DIRS) >build/setup.log || { cat build/setup.log; exit 1; }
	@ninja -C $(BUILD) --quiet
	@meson install -C $(BUILD) --no-rebuild
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

format:
	@scripts/setup.sh lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build
