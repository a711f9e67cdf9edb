# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is PRIVATE to the collection. It can change at any time; do not use it from outside.

from __future__ import annotations


class ModuleDocFragment:
    # The probes of a steady state.
    DOCUMENTATION = r"""
options:
  probes:
    description:
      - What makes up the steady state. Each probe is one measurement, repeated.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What people call it. Each probe needs a name of its own.
        type: str
        required: true
      type:
        description:
          - What is measured. The options of the other types are refused.
          - V(http) is one HTTP or HTTPS request on a fresh connection, V(tcp) a TCP connection and its banner if wanted.
          - V(dns) is one DNS query. It needs the Python library C(dnspython) on the controller.
          - V(command) is the exit status of a command and its output if wanted, V(process) how many processes of a name run on a
            host, V(service) whether a service runs on a host.
        type: str
        required: true
        choices: [http, tcp, dns, command, process, service]
      timeout:
        description:
          - How long one attempt may take. At most V(5m).
        type: raw
        default: 2s
      interval:
        description:
          - The time from the start of one sample to the start of the next. Without it, O(interval) of the task.
        type: raw
      retries:
        description:
          - How often a failed attempt is repeated at once, as part of the same sample. The time of all attempts is its latency.
        type: int
        default: 0
      initial_delay:
        description:
          - How much later than the others the probe begins. Must be shorter than O(window).
        type: raw
        default: 0s
      phases:
        description:
          - In which phases the probe is used. See O(phase).
        type: list
        elements: str
        choices: [before, during, after]
        default: [before, during, after]
      tolerance:
        description:
          - What the samples of the window must meet.
        type: dict
        suboptions:
          success:
            description:
              - The least percentage of successful samples, for example V(99%). Of ten samples V(99%) lets none fail.
            type: raw
            default: 100%
          p50:
            description:
              - The longest median latency, for example V(100ms). Percentiles are nearest-rank, of the successful samples.
            type: raw
          p95:
            description:
              - The longest latency of 95 percent of the successful samples.
            type: raw
          p99:
            description:
              - The longest latency of 99 percent of the successful samples.
            type: raw
      expect:
        description:
          - What a good answer looks like.
        type: dict
        suboptions:
          status:
            description:
              - For http, the status or statuses that are good. V(200) if nothing is said.
            type: list
            elements: int
          regex:
            description:
              - A Python regular expression that must match somewhere, in the body for http, in the banner for tcp, in the standard
                output for command.
            type: str
          json:
            description:
              - A JMESPath expression over the JSON body for http, or the JSON output for command. It must be true, and not only
                something. Needs the Python library C(jmespath) on the controller.
            type: str
          address:
            description:
              - For dns, addresses that must all be among the answers.
            type: list
            elements: str
          rc:
            description:
              - For command, the exit status or statuses that are good. V(0) if nothing is said. A command that a signal ended has
                128 plus the number of the signal.
            type: list
            elements: int
          count_min:
            description:
              - For process, how many must run at least. V(1) if nothing is said, V(0) with O(probes[].expect.count_max=0).
            type: int
          count_max:
            description:
              - For process, how many may run at most.
            type: int
          state:
            description:
              - For service, the good state. V(running) if nothing is said.
            type: str
            choices: [running, stopped]
      url:
        description:
          - For http, the URL. Neither its query nor anything else that may be secret is in the result.
        type: str
      method:
        description:
          - For http, the method. V(GET) if nothing is said.
        type: str
        choices: [GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE]
      headers:
        description:
          - For http, headers of the request. They are neither shown nor sent on to another server by a redirect.
        type: dict
      body:
        description:
          - For http, the body of the request; text, or a dictionary or list to be sent as JSON.
        type: raw
      validate_certs:
        description:
          - For https, whether the certificate must be valid. V(true) if nothing is said.
        type: bool
      follow_redirects:
        description:
          - For http, whether redirects are followed. V(true) if nothing is said.
        type: bool
      host:
        description:
          - For tcp, a host name or an IP address. It is not looked up in the inventory.
        type: str
      port:
        description:
          - For tcp, the port. For dns, the port of O(probes[].server), V(53) if nothing is said.
        type: int
      query:
        description:
          - For dns, the name to look up, in full.
        type: str
      record:
        description:
          - For dns, the type of the record. V(A) if nothing is said.
        type: str
        choices: [A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT]
      server:
        description:
          - For dns, the IP address of the server to ask. Without it the resolvers of the controller are asked.
        type: str
      argv:
        description:
          - For command, the program and its arguments. No shell reads them.
          - On a host C(timeout) of coreutils, where it is there, ends the command when the probe's time is over.
        type: list
        elements: raw
      process:
        description:
          - For process, the exact name as C(ps -o comm) shows it, at most 15 letters. Without it, O(probes[].name).
          - Zombies do not count.
        type: str
      service:
        description:
          - For service, its name in systemd, or of its init script where there is no systemd. Without it, O(probes[].name).
        type: str
      run_on:
        description:
          - For command, process and service, one host of the inventory, or V(controller) for the machine that runs Ansible.
          - Must be given for process and service. Commands run on V(controller) if nothing is said.
        type: str
        aliases: ["on"]
"""
