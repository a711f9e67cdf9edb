# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no other collection may use this; it changes without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Mirrors AUTH_OPTIONS in module_utils/_kube/api/connection.py. The names are those of kubernetes.core.
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - A kubeconfig file on the machine that runs the module. Without it and without O(host), C(KUBECONFIG) and then C(~/.kube/config) are used,
        and in a pod without these its service account.
      - If not given, the environment variable C(K8S_AUTH_KUBECONFIG) is used.
      - The content of such a file can be given as a dictionary, too. It is not shown in the result of the task.
    type: raw
  context:
    description:
      - The context of the kubeconfig file. If not given, C(K8S_AUTH_CONTEXT), and then the current one.
    type: str
  host:
    description:
      - The URL of the API server, instead of a kubeconfig file. If not given, C(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - A bearer token. If not given, C(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - A user name for basic authentication, with O(password). Few clusters take it. If not given, C(K8S_AUTH_USERNAME). O(api_key) goes before it.
    type: str
    version_added: 0.2.0
  password:
    description:
      - The password of O(username). If not given, C(K8S_AUTH_PASSWORD).
    type: str
    version_added: 0.2.0
  ca_cert:
    description:
      - A file with the certificates of the authorities to trust. If not given, C(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  client_cert:
    description:
      - A file with a client certificate. If not given, C(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - A file with the key of the client certificate. If not given, C(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  validate_certs:
    description:
      - Whether the certificate of the API server must be valid. If not given, C(K8S_AUTH_VERIFY_SSL), and then V(true), whatever a kubeconfig file says.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - The URL of an HTTP proxy. If not given, C(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, domains, addresses and networks that are reached without O(proxy), separated by commas. If not given, C(K8S_AUTH_NO_PROXY).
    type: str
    version_added: 0.2.0
  impersonate_user:
    description:
      - The user to act as. The credentials need the right to impersonate this user. If not given, C(K8S_AUTH_IMPERSONATE_USER).
    type: str
    version_added: 0.2.0
  impersonate_groups:
    description:
      - The groups to act as, with O(impersonate_user). If not given, C(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas.
    type: list
    elements: str
    version_added: 0.2.0
requirements:
  - kubernetes >= 24.2.0 on the machine that runs the module
notes:
  - Runs where it can reach the API server, usually with C(hosts=localhost).
"""
