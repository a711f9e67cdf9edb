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
          - V(certificate_expiry) is how many days the certificates of a TLS server have left, and whether they are good.
          - V(prometheus) is the value of a query, now or over a range.
          - V(k8s) is the state of workloads, pods, claims or events of a Kubernetes cluster. It needs the Python library C(kubernetes) on the
            controller.
          - V(command) is the exit status of a command and its output if wanted, V(process) how many processes of a name run on a
            host, V(service) whether a service runs on a host.
        type: str
        required: true
        choices: [http, tcp, dns, certificate_expiry, prometheus, k8s, command, process, service]
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
              - A Python regular expression that must match somewhere, in the body for http (at most 1 MiB), in the banner for tcp (64 KiB),
                in the standard output for command (256 KiB).
              - Rules are evaluated in a process of their own. It is killed after one second, or at the end of O(probes[].timeout), and the
                sample has failed; the other samples, leases and signals do not wait for it.
            type: str
          json:
            description:
              - A JMESPath expression over the JSON body for http, or the JSON output for command. For k8s over the object that
                O(probes[].object) names, else over the list of objects; for events, of those since the probe began. It must be true, and not only
                something. Needs the Python library C(jmespath) on the controller.
              - What it comes to instead is in RV(probes[].series[].detail). An expression that puts text together when all is not well,
                with C(||) and C(join), fails with just that text. See the examples.
              - NaN, numbers that are out of range or longer than 400 digits, and deep nesting make it no JSON. The limits of
                O(probes[].expect.regex) are those of this rule too; the objects of k8s may have 8 MiB.
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
          ready_min:
            description:
              - For k8s, how many replicas of the workloads, or how many pods, must be ready at least, as a number or a percentage of those
                that should be. All, and at least one, if nothing is said.
            type: raw
          restarts_max:
            description:
              - For k8s pods, how many times their containers may restart after the first sample of the window.
            type: int
          days_left_min:
            description:
              - For certificate_expiry, how many days every certificate of the chain must have left. V(30) if nothing is said.
            type: int
          chain_valid:
            description:
              - For certificate_expiry, whether the chain must lead to a root that is trusted. V(true) if nothing is said.
              - With Python 3.13 or later on the controller a certificate of an own authority also needs an authority key identifier.
            type: bool
          name_matches:
            description:
              - For certificate_expiry, whether the certificate must be for O(probes[].server_name). V(true) if nothing is said.
            type: bool
          value:
            description:
              - For prometheus, a comparison in quotes, such as V("< 0.05"), with V(<), V(<=), V(>), V(>=), V(==) or V(!=).
              - One of O(probes[].expect.value), O(probes[].expect.min) and O(probes[].expect.max) must be given. All that are must hold.
            type: str
          min:
            description:
              - For prometheus, the least value that is good.
            type: float
          max:
            description:
              - For prometheus, the highest value that is good.
            type: float
          no_data:
            description:
              - For prometheus, what it means when the query finds no series, or only NaN, such as 0 errors divided by 0 requests.
                V(bad) if nothing is said.
            type: str
            choices: [bad, good]
      url:
        description:
          - For http, the URL. Neither its query nor anything else that may be secret is in the result.
          - For prometheus, its address, such as V(http://prometheus.example.com:9090), with the path prefix if it has one.
        type: str
      method:
        description:
          - For http, the method. V(GET) if nothing is said.
        type: str
        choices: [GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE]
      headers:
        description:
          - For http and prometheus, headers of the request, for example with a token. They are neither shown nor sent on to another
            server by a redirect.
        type: dict
      body:
        description:
          - For http, the body of the request; text, or a dictionary or list to be sent as JSON.
        type: raw
      validate_certs:
        description:
          - For https and k8s, whether the certificate must be valid. V(true) if nothing is said.
        type: bool
      ca_path:
        description:
          - For https and certificate_expiry, a file in PEM format on the controller. Its authorities are trusted instead of those of
            the system.
        type: path
      follow_redirects:
        description:
          - For http, which redirects are followed. V(same), those to the same host and port, if nothing is said; V(all), those to any
            server; V(none). The headers of the probe are not sent to another server.
          - A redirect that is not followed is an answer with its status, and a failed sample unless O(probes[].expect.status) has that status.
          - A flag means what it did before 0.2.0, but for redirects to another server, V(true) is V(same) and V(false) is V(none).
        type: str
      host:
        description:
          - For tcp and certificate_expiry, a host name or an IP address. It is not looked up in the inventory.
          - For k8s, the URL of the API server, instead of a kubeconfig file.
        type: str
      port:
        description:
          - For tcp, the port. For certificate_expiry, V(443) if nothing is said. For dns, the port of O(probes[].server), V(53) if nothing
            is said.
        type: int
      query:
        description:
          - For dns, the name to look up, in full.
          - For prometheus, the query in PromQL. It must come to numbers.
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
      server_name:
        description:
          - For certificate_expiry, the name to ask the server for and to compare with the certificate. Without it, O(probes[].host).
        type: str
      starttls:
        description:
          - For certificate_expiry, the protocol in which to ask for TLS first, where the port does not begin with it.
        type: str
        choices: [smtp, imap, pop3]
      range:
        description:
          - For prometheus, how far back to look, for example V(5m). Without it, the value is that of now.
        type: raw
      step:
        description:
          - For prometheus, the time from one point of O(probes[].range) to the next. At least V(1s). A sixtieth of the range if nothing is said.
        type: raw
      reduce:
        description:
          - For prometheus, what becomes of the points of O(probes[].range). V(last) if nothing is said.
          - With V(all) each point must be as expected. Otherwise it is the last point, the mean, the least or the highest.
          - Points that are NaN are left out. With V(last), a series that ended before the last step is no data.
        type: str
        choices: [last, avg, min, max, all]
      series:
        description:
          - For prometheus, what to do with several series. V(one) if nothing is said.
          - With V(one) more than one is a failure, with V(all) each must be as expected, with V(any) at least one.
        type: str
        choices: [one, all, any]
      kind:
        description:
          - For k8s, what is looked at. A workload is good when all its replicas are ready, pods when all of them are, claims when they are
            bound, events when O(probes[].expect.json) says so.
        type: str
        choices: [deployment, statefulset, daemonset, pod, persistentvolumeclaim, event]
      namespace:
        description:
          - For k8s, the namespace.
        type: str
      object:
        description:
          - For k8s, the name of one object.
        type: str
      label_selector:
        description:
          - For k8s, labels that the objects must have, for example V(app=web). Several workloads are added up.
        type: str
      field_selector:
        description:
          - For k8s, fields that the objects must have, for example V(involvedObject.name=web) of events.
        type: str
      kubeconfig:
        description:
          - For k8s, a kubeconfig file on the controller, or its content as a dictionary.
          - This and the other options of the connection are those of the attacks on clusters, see M(faultline.chaos.k8s_pod_delete), with
            the same environment variables.
        type: raw
      context:
        description:
          - For k8s, the context of the kubeconfig file.
        type: str
      api_key:
        description:
          - For k8s, a bearer token. It is not shown.
        type: str
      username:
        description:
          - For k8s, a user name for basic authentication.
        type: str
        version_added: 0.2.0
      password:
        description:
          - For k8s, the password of the user. It is not shown.
        type: str
        version_added: 0.2.0
      ca_cert:
        description:
          - For k8s, a file with the certificates of the authorities to trust.
        type: path
      client_cert:
        description:
          - For k8s, a file with a client certificate.
        type: path
      client_key:
        description:
          - For k8s, a file with the key of the client certificate.
        type: path
      proxy:
        description:
          - For k8s, the URL of an HTTP proxy.
        type: str
      no_proxy:
        description:
          - For k8s, hosts, domains, addresses and networks that are reached without the proxy, separated by commas.
        type: str
        version_added: 0.2.0
      impersonate_user:
        description:
          - For k8s, the user to act as.
        type: str
        version_added: 0.2.0
      impersonate_groups:
        description:
          - For k8s, the groups to act as, with the user to act as.
        type: list
        elements: str
        version_added: 0.2.0
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
