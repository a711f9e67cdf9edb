# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs for the tests of name resolution, in network namespaces and on the lab: a server, and a client that asks it."""

# A DNS server: every A is 192.0.2.1, every AAAA 2001:db8::1, and names that begin with "no" do not exist. With an argument it is a stub
# resolver at 127.0.0.53, as in systemd-resolved, which forwards all queries to that server.
DNS_SERVER = """
import ipaddress, socket, struct, sys, threading

def answer(message):
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode().lower()); at += 1 + message[at]
    kind, name = struct.unpack_from("!H", message, at + 1)[0], ".".join(labels)
    rcode, records = (3, []) if name.startswith("no") or name.endswith("invalid") else (0, {1: ["192.0.2.1"], 28: ["2001:db8::1"]}.get(kind, []))
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(ipaddress.ip_address(r).packed)) + ipaddress.ip_address(r).packed for r in records)
    return message[:2] + struct.pack("!5H", 0x8180 | rcode, 1, len(records), 0, 0) + message[12:at + 5] + body

def ask(message):
    if len(sys.argv) < 2:
        return answer(message)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.settimeout(5)
        upstream.connect((sys.argv[1], 53))
        upstream.send(message)
        return upstream.recv(4096)

def udp(family, where):
    server = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((where, 53))
    while True:
        message, client = server.recvfrom(4096)
        try:
            server.sendto(ask(message), client)
        except OSError:
            pass

def tcp(family, where):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((where, 53)); server.listen(8)
    while True:
        threading.Thread(target=connection, args=(server.accept()[0],)).start()

def connection(client):
    stream = client.makefile("rwb")
    try:
        while True:
            told = ask(stream.read(struct.unpack("!H", stream.read(2))[0]))
            stream.write(struct.pack("!H", len(told)) + told)
            stream.flush()
    except (OSError, struct.error):
        client.close()

places = [(socket.AF_INET, "127.0.0.53")] if len(sys.argv) > 1 else [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
for place in places:
    for what in (udp, tcp):
        threading.Thread(target=what, args=place).start()
print("ready", flush=True)
"""

# Resolves names like any program: prints for each name the addresses or the error of the C library, and the
# seconds; of a name that is asked several times the quickest.
RESOLVE = """
import json, socket, sys, time
found = {}
for name in sys.argv[1:]:
    begun = time.monotonic()
    try:
        told = sorted({each[4][0] for each in socket.getaddrinfo(name, None)})
    except socket.gaierror as error:
        told = {socket.EAI_NONAME: "no such name", socket.EAI_AGAIN: "try again"}.get(error.args[0], str(error))
    took = time.monotonic() - begun
    if name in found and found[name][0] != told:
        told = "two answers"
    found[name] = [told, min(took, found.get(name, [0, took])[1])]
print(json.dumps(found))
"""
