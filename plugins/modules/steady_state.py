#!/usr/bin/python
# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: steady_state
short_description: Watches the steady state of a system with probes
version_added: 0.1.0
author:
  - The faultline.chaos authors (@faultline-chaos)
description:
  - Runs probes side by side on the controller, each at its own fixed rate, for a window of time, and judges the samples by
    tolerances. The task fails when a tolerance is not met.
  - Shows progress while it runs, and stops as soon as a tolerance can no longer be met.
  - Before, during and after an attack the same definition of probes is used. Role P(faultline.chaos.experiment#role) does so.
  - Host-local probes reach their hosts through the connection and the become settings that the inventory has for them. They need
    no Python there.
  - Can keep the leases of running attacks alive meanwhile.
extends_documentation_fragment:
  - faultline.chaos._attributes
  - faultline.chaos._probes
attributes:
  check_mode:
    support: partial
    details:
      - Measures in check mode as well, because the healthy system is worth knowing before anything is broken.
      - Probes that may change something are left out then, that is commands, and HTTP requests other than V(GET), V(HEAD) and
        V(OPTIONS). Leases are not renewed.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: N/A
    details:
      - This action does not modify state.
  platform:
    support: full
    details:
      - The controller can be any that Ansible supports. A command that hangs is killed with its children where the controller has
        C(/proc). Host-local probes need Linux hosts.
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
options:
  window:
    description:
      - How long to watch, for example V(30s). A plain number is seconds. At most V(24h).
      - The task takes this long, and at most five seconds more for answers that are still out.
    type: raw
    default: 10s
  interval:
    description:
      - The time between samples of the probes that do not have their own. At least V(50ms).
    type: raw
    default: 1s
  initial_delay:
    description:
      - How long to wait before the window begins.
    type: raw
    default: 0s
  settle:
    description:
      - Waits for the steady state to come back. Watches until all tolerances held for a whole O(window), but only this long and one
        O(window) more.
      - RV(probes[].samples) and what follows from them are about the last window then, RV(probes[].series) is about everything.
    type: raw
    default: 0s
  abort:
    description:
      - Whether to stop as soon as it is certain that a tolerance cannot be met any more.
    type: bool
    default: true
  phase:
    description:
      - Where in the experiment this is. Probes of other phases are left out.
      - Without any probe V(during) still takes the time of O(window), the other phases take none.
    type: str
    choices: [before, during, after]
    default: before
  title:
    description:
      - A few words for the progress lines, such as the name of the attack.
    type: str
  renew:
    description:
      - Keeps leases alive while watching, each by a command through the host's own connection, at once and after every third of the
        lease.
    type: dict
    suboptions:
      hosts:
        description:
          - Hosts of the inventory. Needed unless O(renew.cluster) is given.
        type: list
        elements: str
      cluster:
        description:
          - The connection to a cluster whose attacks are renewed from the controller, as M(faultline.chaos.k8s_lease) takes it.
        type: dict
      run_id:
        description:
          - The run whose attacks are renewed.
        type: str
        required: true
      lease:
        description:
          - How long from each renewal, for example V(30s). From V(3s) to V(1h).
        type: raw
        required: true
notes:
  - Use it with C(run_once), or every host of the play does the same work. C(delegate_to) is not needed.
  - The keyword C(become) of the task counts for host-local probes, as it does for a delegated task. The keyword C(connection) does
    not, so C(connection=local) of a play on C(localhost) does not turn a probe on another host into one of the controller.
  - HTTP requests go through the proxy that the environment of the controller names, if it names one.
  - Prometheus sees an attack only after its next scrape, and C(rate) over a range averages over it. Give the window of the observation
    more than the scrape interval and the ranges in the query.
  - Samples of probes that ask over the network are taken at their rate even when answers are slow. Host-local probes have one sample
    out at a time, and skip the ticks that fall into a slow one.
  - A verdict needs at least half of the samples that O(window) and the interval ask for, and at least three if they ask for so many.
    With fewer the result is inconclusive and the task fails, unless the samples prove that the tolerance is broken, even if all
    missing ones had been good.
seealso:
  - module: faultline.chaos.lease
  - module: faultline.chaos.attack_info
"""

EXAMPLES = r"""
- name: The shop answers, quickly, and its queue is short
  faultline.chaos.steady_state:
    window: 30s
    probes:
      - name: shop answers
        type: http
        url: http://shop.example.com/health
        expect: {status: 200, json: "queue.depth < `100`"}
        tolerance: {success: 99%, p95: 300ms}
      - name: database accepts connections
        type: tcp
        host: db.example.com
        port: 5432
  run_once: true

- name: A check that says by itself what is wrong, for example "3 of 5 replicas are ready"
  faultline.chaos.steady_state:
    probes:
      - name: all replicas are ready
        type: http
        url: http://shop.example.com/replicas
        expect:
          json: "ready == wanted || join(' ', [to_string(ready), 'of', to_string(wanted), 'replicas are ready'])"
  run_once: true

- name: Watch during the attack, go on whatever comes of it, and keep the dead-man timers away
  faultline.chaos.steady_state:
    phase: during
    title: netem on web1
    window: 60s
    interval: 500ms
    probes: "{{ probes }}"
    renew:
      hosts: [web1]
      run_id: nightly-17
      lease: 30s
  run_once: true
  register: observed
  failed_when: false

- name: Wait up to two minutes until everything is well for ten seconds in a row
  faultline.chaos.steady_state:
    phase: after
    window: 10s
    settle: 2m
    probes: "{{ probes }}"
  run_once: true

- name: Certificates last, and few requests fail, as Prometheus sees it
  faultline.chaos.steady_state:
    probes:
      - name: certificate of the shop
        type: certificate_expiry
        host: shop.example.com
        interval: 1h
        expect: {days_left_min: 30}
      - name: few requests fail
        type: prometheus
        url: https://prometheus.example.com
        headers: {Authorization: "Bearer {{ prometheus_token }}"}
        query: sum(rate(http_requests_total{status=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))
        interval: 15s
        expect: {value: "< 0.05"}
      - name: every web server was up all the time
        type: prometheus
        url: https://prometheus.example.com
        headers: {Authorization: "Bearer {{ prometheus_token }}"}
        query: up{job="web"}
        range: 5m
        step: 15s
        reduce: all
        series: all
        interval: 1m
        expect: {min: 1}
  run_once: true

- name: The shop in a cluster has all its pods, and none of them restarts
  faultline.chaos.steady_state:
    probes:
      - {name: web is available, type: k8s, namespace: shop, kind: deployment, object: web}
      - {name: most of search is ready, type: k8s, namespace: shop, kind: pod, label_selector: app=search, expect: {ready_min: 80%}}
      - {name: no restarts, type: k8s, namespace: shop, kind: pod, label_selector: app=web, expect: {ready_min: 1, restarts_max: 0}}
      - {name: all can be scheduled, type: k8s, namespace: shop, kind: event, expect: {json: "length([?reason=='FailedScheduling']) == `0`"}}
  run_once: true

- name: Look at hosts from the inside
  faultline.chaos.steady_state:
    probes:
      - {name: one primary, type: command, run_on: redis1, argv: [redis-cli, role], expect: {regex: ^master}}
      - {name: redis-server, type: process, run_on: redis1}
      - {name: no batch job, type: process, process: batch, run_on: web1, expect: {count_max: 0}}
      - {name: nginx, type: service, run_on: web1, timeout: 5s, interval: 5s}
      - {name: name service, type: dns, query: shop.example.com, server: 192.0.2.53, expect: {address: 192.0.2.80}}
  run_once: true
"""

RETURN = r"""
met:
  description: Whether all tolerances are met, judged from enough samples.
  returned: always
  type: bool
  sample: false
aborted:
  description: Whether it stopped early because a tolerance could not be met any more.
  returned: always
  type: bool
  sample: true
reason:
  description: Which probe is in breach, by how much, and what its last failed sample said. None when all is well.
  returned: always
  type: str
  sample: "shop answers: 2 of 14 samples failed of 60 planned, 99% must succeed; last: connection refused"
inconclusive:
  description: The probes that took too few samples for a verdict; RV(met) is V(false) then. Empty when a tolerance is proved to be broken.
  returned: always
  type: list
error:
  description: Why nothing could be measured, for example an option that was refused. None when something was.
  returned: always
  type: str
phase:
  description: O(phase).
  returned: always
  type: str
  sample: during
started:
  description: When the window began, UTC.
  returned: always
  type: str
  sample: "2026-01-31T09:30:00.000Z"
ended:
  description: When it was over, UTC.
  returned: always
  type: str
  sample: "2026-01-31T09:30:14.102Z"
window_s: {description: O(window) in seconds., returned: always, type: float, sample: 60.0}
interval_s: {description: O(interval) in seconds., returned: always, type: float, sample: 1.0}
settled_s:
  description: With O(settle), how many seconds it took until the good window began. None when it did not come.
  returned: always
  type: float
  sample: 3.5
lease_lost:
  description: Hosts whose leases have run out or are gone, as far as can be told from the controller.
  returned: always
  type: list
  elements: str
  sample: []
lease_deadlines: {returned: always, type: dict, version_added: 0.2.0, sample: {web1: {nightly-s1r1: "2026-11-22T14:05:20Z"}}, description: "Until when the
  leases run after the last successful renewals, in UTC by the clock of the controller: by host, or V(the cluster), then by id of the attack."}
probes:
  description: The probes of this phase.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: shop answers
    type:
      description: Its type.
      type: str
      sample: http
    target:
      description: What it measures, without anything that may be secret.
      type: str
      sample: GET http://shop.example.com/health
    tolerance:
      description: Its tolerance, with defaults.
      type: dict
      sample: {success: 99%, p95: 300ms}
    limits: {description: The same as numbers., type: dict, sample: {success_percent: 99, p95_ms: 300}, version_added: 0.2.0}
    met:
      description: Whether its tolerance is met. After an early stop, whether it still could have been.
      type: bool
      sample: false
    reason:
      description: Why not, or why it was left out in check mode.
      type: str
      sample: "2 of 14 samples failed of 60 planned, 99% must succeed; last: connection refused"
    inconclusive: {description: Whether it took too few samples for a verdict., type: bool, sample: false, version_added: 0.2.0}
    samples:
      description: How many samples were judged.
      type: int
      sample: 14
    succeeded:
      description: How many of them were good.
      type: int
      sample: 12
    success_percent:
      description: The same in percent.
      type: float
      sample: 85.714
    latency_ms:
      description: Latencies of the good ones in milliseconds, p50, p95, p99 and max. None when there are none.
      type: dict
      sample: {p50: 11.2, p95: 30.9, p99: 44.1, max: 44.1}
    series:
      description: All samples in the order of their ticks.
      type: list
      elements: dict
      contains:
        t:
          description: When it began, in seconds since the epoch.
          type: float
          sample: 1769851800.051
        ok:
          description: Whether it was good.
          type: bool
          sample: true
        ms:
          description: How long it took in milliseconds, also when it failed. None when it was not asked.
          type: float
          sample: 11.204
        value:
          description:
            - A number or word worth plotting. The HTTP status, the days that a certificate has left, the value of a query, a
              command's output if it is a number, how many are ready, a count, a state.
          type: raw
          sample: 200
        detail:
          description: What was wrong.
          type: str
          sample: connection refused
"""

from ansible.module_utils.basic import AnsibleModule

PHASES = ["before", "during", "after"]
TYPES = ["http", "tcp", "dns", "certificate_expiry", "prometheus", "k8s", "command", "process", "service"]
EXPECT = {
    "status": {"type": "list", "elements": "int"},
    "regex": {"type": "str"},
    "json": {"type": "str"},
    "address": {"type": "list", "elements": "str"},
    "rc": {"type": "list", "elements": "int"},
    "count_min": {"type": "int"},
    "count_max": {"type": "int"},
    "state": {"type": "str", "choices": ["running", "stopped"]},
    "ready_min": {"type": "raw"},
    "restarts_max": {"type": "int"},
    "days_left_min": {"type": "int"},
    "chain_valid": {"type": "bool"},
    "name_matches": {"type": "bool"},
    "value": {"type": "str"},
    "min": {"type": "float"},
    "max": {"type": "float"},
    "no_data": {"type": "str", "choices": ["bad", "good"]},
}
TOLERANCE = {
    "success": {"type": "raw", "default": "100%"},
    "p50": {"type": "raw"},
    "p95": {"type": "raw"},
    "p99": {"type": "raw"},
}
PROBE = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True, "choices": TYPES},
    "timeout": {"type": "raw", "default": "2s"},
    "interval": {"type": "raw"},
    "retries": {"type": "int", "default": 0},
    "initial_delay": {"type": "raw", "default": "0s"},
    "phases": {"type": "list", "elements": "str", "choices": PHASES, "default": PHASES},
    "tolerance": {"type": "dict", "options": TOLERANCE},
    "expect": {"type": "dict", "options": EXPECT},
    "url": {"type": "str"},
    "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]},
    "headers": {"type": "dict", "no_log": True},
    "body": {"type": "raw", "no_log": True},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "follow_redirects": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "query": {"type": "str"},
    "record": {"type": "str", "choices": ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]},
    "server": {"type": "str"},
    "server_name": {"type": "str"},
    "starttls": {"type": "str", "choices": ["smtp", "imap", "pop3"]},
    "range": {"type": "raw"},
    "step": {"type": "raw"},
    "reduce": {"type": "str", "choices": ["last", "avg", "min", "max", "all"]},
    "series": {"type": "str", "choices": ["one", "all", "any"]},
    "kind": {"type": "str", "choices": ["deployment", "statefulset", "daemonset", "pod", "persistentvolumeclaim", "event"]},
    **dict.fromkeys("namespace object label_selector field_selector context proxy no_proxy username impersonate_user process service".split(), {"type": "str"}),
    "impersonate_groups": {"type": "list", "elements": "str"},
    "kubeconfig": {"type": "raw"},
    **{name: {"type": "path", "no_log": False} for name in ("ca_cert", "client_cert", "client_key")},
    **{name: {"type": "str", "no_log": True} for name in ("api_key", "password")},
    "argv": {"type": "list", "elements": "raw"},
    "run_on": {"type": "str", "aliases": ["on"]},
}
RENEW = {
    "hosts": {"type": "list", "elements": "str"},
    "cluster": {"type": "dict"},
    "run_id": {"type": "str", "required": True},
    "lease": {"type": "raw", "required": True},
}
ARGUMENT_SPEC = {
    "probes": {"type": "list", "elements": "dict", "required": True, "options": PROBE},
    "window": {"type": "raw", "default": "10s"},
    "interval": {"type": "raw", "default": "1s"},
    "initial_delay": {"type": "raw", "default": "0s"},
    "settle": {"type": "raw", "default": "0s"},
    "abort": {"type": "bool", "default": True},
    "phase": {"type": "str", "choices": PHASES, "default": "before"},
    "title": {"type": "str"},
    "renew": {"type": "dict", "options": RENEW},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="faultline.chaos.steady_state runs on the controller, as an action plugin; it cannot run as a module on a target.")


if __name__ == "__main__":
    main()
