# SPDX-License-Identifier: MIT
# The menu: a thin front over Meson. Every target installs what it needs (Debian), and builds in build/.

BUILD = build/plain
PREFIX = /usr/local
SECONDS = 600

.PHONY: help all demo test soak lint bench install format clean

help:
	@echo "make demo     build, and show two programs exchanging messages, descriptors and identities"
	@echo "make test     build and run all tests, plain and under sanitizers"
	@echo "make soak     the engine for half an hour, counted at both ends: SECONDS=600 for each backend"
	@echo "make lint     layers, symbols, headers, manual pages, formatting, sizes"
	@echo "make bench    the library beside the raw system calls"
	@echo "make all      build only, in $(BUILD)"
	@echo "make install  install to PREFIX=$(PREFIX), under DESTDIR if set"
	@echo "make format   format the C sources"
	@echo "make clean    remove build/"

$(BUILD)/build.ninja:
	@scripts/setup.sh build
	@mkdir -p build && meson setup $(BUILD) --prefix=$(PREFIX) >build/setup.log || { cat build/setup.log; exit 1; }

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

demo: all
	@scripts/demo.sh $(BUILD)/tool/unx

test:
	@scripts/setup.sh test
	@scripts/test.sh

soak: all
	@scripts/soak.sh $(BUILD) $(SECONDS)

lint:
	@scripts/setup.sh lint
	@$(MAKE) --no-print-directory all
	@scripts/lint.sh

bench:
	@scripts/setup.sh bench
	@scripts/bench.sh

install: all
	@meson install -C $(BUILD) --no-rebuild

format:
	@scripts/setup.sh lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build
