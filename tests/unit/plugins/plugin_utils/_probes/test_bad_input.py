# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused in the definition of a steady state: always the probe, the option, the value and the fix, and nothing is run."""

from __future__ import annotations

import itertools
import math
import typing as t

import pytest

from ansible_collections.faultline.chaos.plugins.module_utils._errors import BadOption
from ansible_collections.faultline.chaos.plugins.plugin_utils._observation.steady_state import read_settings
from ansible_collections.faultline.chaos.plugins.plugin_utils._probes.registry import TYPES, read_probes

HTTP = {"name": "shop", "type": "http", "url": "http://shop.example.com:8080/health"}
TCP = {"name": "shop", "type": "tcp", "host": "shop.example.com", "port": 80}
DNS = {"name": "shop", "type": "dns", "query": "shop.example.com"}
CERTIFICATE = {"name": "shop", "type": "certificate_expiry", "host": "shop.example.com"}
PROMETHEUS = {"name": "shop", "type": "prometheus", "url": "http://prometheus.example.com:9090", "query": "up", "expect": {"min": 1}}
CLUSTER = {"name": "shop", "type": "k8s", "host": "https://kube.example.com:6443", "namespace": "shop", "kind": "deployment", "object": "web"}
COMMAND = {"name": "shop", "type": "command", "argv": ["true"]}
PROCESS = {"name": "shop", "type": "process", "process": "redis-server", "run_on": "n1"}
SERVICE = {"name": "shop", "type": "service", "service": "redis-server", "run_on": "n1"}
ALL = (HTTP, TCP, DNS, CERTIFICATE, PROMETHEUS, CLUSTER, COMMAND, PROCESS, SERVICE)
LONG = "x" * 5000


def changed(probe: dict, **options: t.Any) -> dict:
    """The probe with other options; None takes one away."""
    return {key: value for key, value in {**probe, **options}.items() if value is not None}


def refusal(probes: t.Any) -> str:
    with pytest.raises(BadOption) as error:
        read_probes(probes)
    return str(error.value)


def test_the_good_ones_are_good() -> None:
    assert [type(probe).type for probe in read_probes([{**probe, "name": probe["type"]} for probe in ALL])] == list(TYPES)


# One reader serves the common options of all types: every value once, with the types in turn.
COMMON = [
    *(("timeout", value) for value in (0, "0s", -1, math.nan, 1e9, "301s", "5m; rm -rf /", "soon", True, [], {"s": 1})),
    *(("interval", value) for value in (0, "1ms", -1, math.nan, math.inf, 1e9, "5m; rm -rf /", "often")),
    *(("initial_delay", value) for value in (-1, "25h", "later")),
    *(("retries", value) for value in (-1, 11, 1.5, "many", True, "010")),
    *(("phases", value) for value in ([], "afterwards", ["before", "x"], 3, {"before": True})),
    *(("tolerance", value) for value in ("99%", 99, ["success"])),
    *(("expect", value) for value in ("200", 200, ["status"])),
    ("tolerence", {"success": "99%"}),
    ("shell", "true"),
]


@pytest.mark.parametrize(
    ("probe", "option", "value"),
    [(probe, *refused) for probe, refused in zip(itertools.cycle(ALL), COMMON, strict=False)],
    ids=lambda value: value["type"] if isinstance(value, dict) and "type" in value else repr(value),
)
def test_common_options(probe: dict, option: str, value: t.Any) -> None:
    message = refusal([changed(probe, **{option: value})])
    assert message.startswith("probe 'shop': ") or message.startswith("probe 'shop': " + option)
    assert option in message
    assert " is refused: " in message


@pytest.mark.parametrize(
    ("probe", "option", "value", "fix"),
    [
        *(
            (HTTP, "url", value, "write a URL such as")
            for value in ("", "shop.example.com", "ftp://shop/", "file:///etc/passwd", "http://", "http:///health", 5, LONG)
        ),
        *((HTTP, "url", f"http://shop:{port}/", "ort") for port in ("0", "65536", "80-22", "http")),
        (HTTP, "url", "http://shop/a b", "percent-encoded"),
        (HTTP, "url", "http://shop/\nX-Evil: 1", "one line"),
        (HTTP, "url", "http://shöp/", "percent-encoded"),
        (HTTP, "method", "FETCH", "choose one of GET"),
        (HTTP, "method", "get", "choose one of GET"),
        (HTTP, "validate_certs", "maybe", "write true or false"),
        (HTTP, "follow_redirects", 1, "choose one of same, all, none"),
        (HTTP, "headers", ["X: 1"], "write a dictionary"),
        (HTTP, "headers", {"X Y": "1"}, "not the name of an HTTP header"),
        (HTTP, "headers", {"X-Y": "1\r\nHost: other"}, "one line of text"),
        (HTTP, "body", "x", "GET has no body"),
        *((TCP, "host", value, "write a host name or an IP address") for value in ("", "shop; id", "-oProxyCommand=id", "a b", "http://shop", 5)),
        *((TCP, "host", value, "not an IPv4 address") for value in ("300.1.1.1", "10.0.0", "1.2.3.4.5")),
        *((TCP, "port", value, "write a whole number from 1 to 65535") for value in (0, 65536, -1, "80-22", "http", True, 22.5, "022")),
        *((CERTIFICATE, "host", value, "write a host name or an IP address") for value in ("", "shop; id", "https://shop", 5)),
        *((CERTIFICATE, "port", value, "write a whole number from 1 to 65535") for value in (0, 65536, "https", True)),
        *((CERTIFICATE, "server_name", value, "write a host name or an IP address") for value in ("", "*.example.com", "a b", 5)),
        (CERTIFICATE, "starttls", "ftp", "choose one of smtp, imap, pop3"),
        *((CERTIFICATE, "ca_path", value, "PEM format") for value in ("", "/does/not/exist.pem", "/dev/null", 5)),
        *((PROMETHEUS, "url", value, "write a URL such as") for value in ("", "prometheus:9090", "ftp://prometheus/", 5)),
        *((PROMETHEUS, "url", f"http://prometheus:9090/{end}", "address of Prometheus alone") for end in ("api/v1/query?query=up", "#up")),
        *((PROMETHEUS, "query", value, "write a query in PromQL") for value in ("", " ", 5, ["up"], LONG)),
        *((PROMETHEUS, "range", value, "") for value in ("0s", "100ms", "25h", "-5m", "long")),
        *((PROMETHEUS, name, value, "belongs to range") for name, value in (("step", "15s"), ("reduce", "avg"))),
        *((changed(PROMETHEUS, range="5m"), "step", value, "") for value in ("100ms", "10m", 0, "often")),
        (changed(PROMETHEUS, range="24h"), "step", "2s", "it must be from 8s to 24h"),
        (changed(PROMETHEUS, range="5m"), "reduce", "median", "choose one of last, avg"),
        (PROMETHEUS, "series", "two", "choose one of one, all, any"),
        (PROMETHEUS, "headers", ["X: 1"], "write a dictionary"),
        (PROMETHEUS, "validate_certs", "maybe", "write true or false"),
        *((DNS, "query", value, "name") for value in ("", "a..b", "x" * 70, 5)),
        (DNS, "record", "ANY", "choose one of A"),
        (DNS, "server", "dns.example.com", "IP address"),
        (DNS, "server", "300.1.1.1", "IP address"),
        (DNS, "port", 53, "belongs to server"),
        *((COMMAND, "argv", value, "write a list of words") for value in ("true; id", [], {}, 5)),
        *((COMMAND, "argv", value, "each word") for value in ([None], [["true"]], ["a\0b"], [True])),
        *((COMMAND, "argv", value, "must be a program") for value in ([""], [" "], ["-c"])),
        *((probe, "run_on", value, "name one inventory host") for probe in (COMMAND, PROCESS, SERVICE) for value in ("", 5, ["n1", "n2"])),
        *((PROCESS, "process", value, "exact name of a process") for value in ("", "x" * 16, "proc\nessus", "prozeß", 5)),
        *((SERVICE, "service", value, "write the name of a service") for value in ("", "../x", "a b", "-x", "x;id", 5)),
    ],
    ids=repr,
)
def test_options_of_the_types(probe: dict, option: str, value: t.Any, fix: str) -> None:
    message = refusal([changed(probe, **{option: value})])
    assert message.startswith(f"probe 'shop': {option}: "), message
    assert fix in message


@pytest.mark.parametrize(
    ("probe", "expect", "words"),
    [
        (HTTP, {"status": 99}, "expect: status: 99"),
        (HTTP, {"status": [200, "ok"]}, "expect: status: 'ok'"),
        (HTTP, {"status": []}, "expect: status: []"),
        (HTTP, {"code": 200}, "expect: 'code' is refused: there is no such option"),
        (HTTP, {"regex": "("}, "expect: regex: '(' is refused: not a regular expression"),
        (HTTP, {"regex": ""}, "expect: regex: ''"),
        (HTTP, {"json": "queue.depth <"}, "expect: json: 'queue.depth <' is refused: not a JMESPath expression"),
        (HTTP, {"json": ["a"]}, "expect: json: ['a']"),
        (TCP, {"json": "a"}, "expect: 'json' is refused: there is no such option"),
        (DNS, {"address": "10.0.0.300"}, "expect: address: ['10.0.0.300']"),
        (DNS, {"address": ["::1"]}, "the record is A"),
        (DNS, {"address": []}, "expect: address: []"),
        *((CERTIFICATE, {"days_left_min": value}, f"expect: days_left_min: {value!r}") for value in (-1, 36501, "30d", 1.5, True)),
        *((CERTIFICATE, {name: "perhaps"}, f"expect: {name}: 'perhaps' is refused: write true or false") for name in ("chain_valid", "name_matches")),
        (CERTIFICATE, {"min": 3}, "expect: 'min' is refused: there is no such option"),
        (PROMETHEUS, {}, "expect: value is required: write a comparison"),
        *((PROMETHEUS, {"value": value}, f"expect: value: {value!r} is refused") for value in ("0.05", "< x", "<", "=> 3", "< nan", "< 1; id", 3, ["< 3"])),
        *(
            (PROMETHEUS, {name: value}, f"expect: {name}: {value!r} is refused: write a number")
            for name in ("min", "max")
            for value in ("x", True, float("inf"))
        ),
        (PROMETHEUS, {"min": 3, "max": 2}, "expect: max: 2.0 is refused: it must not be below min, 3"),
        (PROMETHEUS, {"min": 3, "no_data": "fine"}, "expect: no_data: 'fine' is refused: choose one of bad, good"),
        (PROMETHEUS, {"min": 3, "json": "a"}, "expect: 'json' is refused: there is no such option"),
        (COMMAND, {"rc": 256}, "expect: rc: 256"),
        (COMMAND, {"rc": -1}, "expect: rc: -1"),
        (PROCESS, {"count_min": -1}, "expect: count_min: -1"),
        (PROCESS, {"count_min": 3, "count_max": 2}, "expect: count_max: 2 is refused: it must not be below count_min"),
        (SERVICE, {"state": "started"}, "expect: state: 'started' is refused: choose one of running, stopped"),
    ],
    ids=repr,
)
def test_expectations(probe: dict, expect: dict, words: str) -> None:
    message = refusal([{**probe, "expect": expect}])
    assert message.startswith("probe 'shop': expect: ")
    assert words in message


@pytest.mark.parametrize(
    ("probe", "option"),
    [
        (HTTP, "url"),
        (TCP, "host"),
        (TCP, "port"),
        (DNS, "query"),
        (CERTIFICATE, "host"),
        (PROMETHEUS, "url"),
        (PROMETHEUS, "query"),
        (COMMAND, "argv"),
        (PROCESS, "run_on"),
        (SERVICE, "run_on"),
    ],
)
def test_missing_options(probe: dict, option: str) -> None:
    assert refusal([changed(probe, **{option: None})]).startswith(f"probe 'shop': {option} is required: ")


@pytest.mark.parametrize(
    ("probes", "words"),
    [
        (None, "list at least one probe"),
        ([], "list at least one probe"),
        ("http", "list at least one probe"),
        ({"name": "x"}, "list at least one probe"),
        (["http"], "probe 1: 'http' is refused: write a dictionary with name and type"),
        ([{"type": "http"}], "probe 1: name is required: give the probe a name"),
        ([{"name": ""}], "probe 1: name: '' is refused"),
        ([{"name": " "}], "probe 1: name: ' ' is refused"),
        ([{"name": "a\nb"}], "probe 1: name: "),
        ([{"name": True}], "probe 1: name: True is refused: give the probe a name; put it in quotes"),
        ([{"name": "x" * 101}], "one line of 1 to 100 characters"),
        ([{"name": "shop"}], "probe 'shop': type is required: choose one of certificate_expiry, command, dns, http"),
        ([{"name": "shop", "type": "htpp"}], "did you mean http?"),
        ([TCP, TCP], "probe 2: name: 'shop' is refused: another probe has it"),
        ([{**TCP, "name": str(number)} for number in range(201)], "at most 200"),
    ],
)
def test_lists(probes: t.Any, words: str) -> None:
    assert words in refusal(probes)


def test_secrets_are_not_in_the_error() -> None:
    for probe in (
        changed(HTTP, url="http://me:s3cret@shop/"),
        changed(HTTP, url="http://me:s3cret@shop:99999/"),
        changed(HTTP, headers="Authorization: s3cret"),
        changed(HTTP, headers={"Authorization": "s3cret\n"}),
        changed(HTTP, method="GET", body="s3cret"),
        changed(HTTP, method="POST", body=3.5),
        changed(PROMETHEUS, url="http://me:s3cret@prometheus/"),
        changed(PROMETHEUS, url="http://prometheus/?token=s3cret"),
        changed(PROMETHEUS, headers={"Authorization": "s3cret\n"}),
    ):
        assert "s3cret" not in refusal([probe])


def test_on_is_understood_even_though_yaml_reads_it_as_true() -> None:
    short = {key: value for key, value in PROCESS.items() if key != "run_on"}
    for key in ("on", True):
        assert read_probes([{**short, key: "n2"}])[0].on == "n2"
    assert "give one of the two" in refusal([{**PROCESS, True: "n2"}])


def test_names_serve_where_nothing_else_is_said() -> None:
    assert read_probes([{"name": "redis-server", "type": "process", "run_on": "n1"}])[0].target == "process redis-server on n1"
    assert read_probes([{"name": "ssh", "type": "service", "run_on": "n1"}])[0].target == "service ssh on n1"
    assert "process: " in refusal([{"name": "the primary is running", "type": "process", "run_on": "n1"}])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "probes is required: list at least one probe"),
        ({"window": 0}, "window: 0 is refused"),
        ({"window": -1}, "window: -1"),
        ({"window": 1e9}, "window: 1000000000.0 is refused: the most is 24h"),
        ({"window": "5m; rm -rf /"}, "window: '5m; rm -rf /' is refused"),
        ({"interval": "1ms"}, "interval: '1ms' is refused: the least is 50ms"),
        ({"settle": "x"}, "settle: 'x'"),
        ({"abort": "perhaps"}, "abort: 'perhaps' is refused: write true or false"),
        ({"phase": "while"}, "phase: 'while' is refused: choose one of before, during, after"),
        ({"title": "a\nb"}, "title: "),
        ({"windw": 3}, "options: 'windw' is refused: there is no such option; did you mean window?"),
        ({"renew": []}, "renew: [] is refused: write a dictionary"),
        ({"renew": {}}, "renew: hosts is required"),
        ({"renew": {"hosts": ["n1"]}}, "renew: run_id is required"),
        ({"renew": {"hosts": ["n1"], "run_id": "r1"}}, "renew: lease is required"),
        ({"renew": {"hosts": ["n1"], "run_id": "../x", "lease": 30}}, "renew: run_id: '../x' is refused"),
        ({"renew": {"hosts": ["n1"], "run_id": "r1", "lease": 2}}, "renew: lease: 2 is refused: the least is 3s"),
        ({"renew": {"hosts": [5], "run_id": "r1", "lease": 30}}, "renew: hosts[0]: 5 is refused"),
        ({"renew": {"hosts": ["n1"], "run_id": "r1", "lease": 30, "x": 1}}, "renew: 'x' is refused: there is no such option"),
    ],
    ids=repr,
)
def test_options_of_the_task(args: dict, words: str) -> None:
    with pytest.raises(BadOption) as error:
        read_settings({"probes": [TCP], **args} if args else args)
    assert words in str(error.value)


def test_paces_that_make_no_sense() -> None:
    with pytest.raises(BadOption, match="initial_delay: 10.0 is refused: it must be shorter than the window of 10s"):
        read_settings({"probes": [{**TCP, "initial_delay": 10}]})
    with pytest.raises(BadOption, match="interval: 0.05 is refused: over 3600s that makes more than 20000 samples; the least is 0.18s"):
        read_settings({"probes": [{**TCP, "interval": "50ms"}], "window": "1h"})
    # A probe of another phase has another window.
    assert read_settings({"probes": [{**TCP, "initial_delay": 10, "phases": "during"}]}).probes == []
