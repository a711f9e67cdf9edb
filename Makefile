# faultline.chaos: a fresh Debian 12 with git, make and python3 is enough, as root. `make help` lists the targets.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help
export LC_ALL := C.UTF-8

# CORE=2.16 runs sanity or tests on that ansible-core; ARGS go to pytest. SAMPLE=6 SEED=1 runs one case in six, drawn by the seed.
export CORE ?= dev
export NAME
ARGS ?=
COVERAGE ?=
SAMPLE ?=
SEED ?=
EXAMPLES ?=
SECONDS ?=
sample = FAULTLINE_SAMPLE="$(SAMPLE)" FAULTLINE_SEED="$(SEED)"

.PHONY: help setup test lint sanity unit fuzz integration netns-test lab-test legacy-test fault-test adversary-test smoke cluster-test demo bench build clean new-attack

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' Makefile | while read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

setup: ## make the virtual environment of the tools, outside of the checkout
	@scripts/venv.sh

test: lint sanity unit fuzz smoke ## what CI runs: these five; integration, netns-test, lab-test, fault-test, adversary-test and cluster-test go further

lint: ## ruff, mypy, common keys of RETURN, yamllint, ansible-lint, changelog, docs, trial build
	@scripts/sanity.sh lint

sanity: ## ansible-test sanity (CORE=2.16 or another ansible-core)
	@scripts/sanity.sh --core $(CORE) sanity

unit: ## unit tests (CORE=2.16 or another ansible-core; ARGS for pytest, or ARGS=PATH for that path alone; COVERAGE=1 also for the coverage of plugins/)
	@scripts/unit_tools.sh
	PATH=$$(scripts/venv.sh $(CORE)):$$PATH
	export COVERAGE_FILE=$(CURDIR)/tests/output/coverage
	python -m pytest -n 4 $(if $(COVERAGE),--cov=plugins --cov-report=) $(if $(filter tests/% ./tests/% $(CURDIR)/tests/%,$(ARGS)),,tests/unit) $(ARGS)
	$(if $(COVERAGE),echo "coverage of plugins/ by these tests: $$(python -m coverage report --format=total) %")

fuzz: ## texts of any kind against all that reads or writes them: a minute, or EXAMPLES=5000 for each test, or SECONDS=3600 (ARGS for pytest)
	@PATH=$$(scripts/venv.sh):$$PATH
	export FAULTLINE_FUZZ_EXAMPLES=$(or $(EXAMPLES),$(if $(SECONDS),500))
	end=$$(($$(date +%s) + $(or $(SECONDS),0)))
	while python -m pytest -n 2 $(if $(filter tests/%,$(ARGS)),,tests/fuzz) $(ARGS); do
		[ "$$(date +%s)" -lt "$$end" ] || exit 0
	done
	exit 1

integration: ## tests of the role, the playbooks and steady_state on this machine (CORE and ARGS as above)
	@status=0
	scripts/sanity.sh --core $(CORE) integration || status=1
	PATH=$$(scripts/venv.sh $(CORE)):$$PATH
	python -m pytest tests/integration $(ARGS) || status=1
	exit $$status

new-attack: ## the files of a new attack on hosts, to be filled in: NAME=route_fault; see docs/adding-an-attack.md
	@PATH=$$(scripts/venv.sh):$$PATH
	python scripts/new_attack.py "$${NAME-}"

netns-test: ## whole attacks on hosts made of namespaces on this machine, as root: seconds instead of minutes (ARGS for pytest)
	@PATH=$$(scripts/venv.sh $(CORE)):$$PATH
	python -m pytest -n 0 tests/netns $(ARGS)

lab-test: ## tests on the lab, whose hosts are real (ARGS for pytest; SAMPLE=6 SEED=1 for a sample)
	@$(sample) scripts/lab_test.sh tests/lab -n 3 $(ARGS)

legacy-test: ## code of targets on every Python from pyenv, and every attack once on hosts with Python 3.6 and sudo, by ansible-core 2.16 (ARGS for pytest)
	@scripts/sanity.sh --core 2.16 targets
	CORE=2.16 FAULTLINE_LAB_LEGACY=1 scripts/lab_test.sh tests/lab -m smoke -n 3 -v $(ARGS)

fault-test: ## tests that kill the controller, the timer and the host at every step (ARGS for pytest; SAMPLE=6 SEED=1 for a sample)
	@$(sample) scripts/lab_test.sh tests/faults $(ARGS)

adversary-test: ## attacks with neighbours that interfere, on hosts made of namespaces, as root (ARGS for pytest; SAMPLE=8 SEED=1 is the default, SAMPLE=1 all)
	@$(sample) scripts/adversary_test.sh $(ARGS)

smoke: ## a part of lab-test, fault-test and cluster-test: every attack once, and one case of most faults (ARGS for pytest)
	@scripts/smoke.sh $(ARGS)

cluster-test: ## tests on Kubernetes: KUBECONFIG, or one of our own, built in up to 10 minutes (ARGS for pytest; SAMPLE=6 SEED=1 for a sample)
	@$(sample) scripts/cluster_test.sh tests/cluster $(ARGS)

demo: ## a whole experiment on the lab, with its report
	@PATH=$$(scripts/venv.sh):$$PATH scripts/demo.sh

bench: ## what an experiment over a fleet costs, and each module on its target, as root (ARGS for pytest); tests/bench/kube is for a cluster of yours
	@PATH=$$(scripts/venv.sh $(CORE)):$$PATH
	python -m pytest -n 0 -s tests/bench/fleet $(ARGS)

build: ## the tarball of the collection, in dist/
	@scripts/sanity.sh build

clean: ## take lab and cluster down and remove what was built; virtual environments stay
	@if [ -e "$${FAULTLINE_LAB_DIR:-/var/cache/faultline/lab}" ]; then
		PATH=$$(scripts/venv.sh):$$PATH ansible-playbook faultline.chaos.lab -e lab_state=absent
	fi
	if [ -e "$${FAULTLINE_CLUSTER_DIR:-/var/cache/faultline/cluster}" ]; then tests/cluster/harness/cluster.sh purge; fi
	rm -rf dist reports tests/output .ansible .pytest_cache .ruff_cache
