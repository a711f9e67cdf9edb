# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection; it changes without notice.

"""The connection to a cluster: its options, the configuration of the official client, and the headers it sends with each request."""

import copy
import os
import traceback

from ansible.module_utils.basic import env_fallback, missing_required_lib

from ansible_collections.faultline.chaos.plugins.module_utils._errors import AttackError, BadOption

try:
    import kubernetes
    import urllib3

    LIBRARY_ERROR = None
except ImportError:
    LIBRARY_ERROR = traceback.format_exc()


class _Inline(str):
    """A kubeconfig that is given as a dictionary. Its text form, in logs and results, does not show the content."""

    def __new__(cls, content):
        made = str.__new__(cls, "(a dictionary)")
        made.content = content
        return made


def kubeconfig(value):
    """Type function of the option kubeconfig: returns a path or an _Inline. Errors: TypeError, as Ansible requires of a type."""
    if isinstance(value, dict):
        return _Inline(value)
    if not isinstance(value, str):
        raise TypeError("give a path or a dictionary")
    return value if isinstance(value, _Inline) else os.path.expanduser(os.path.expandvars(value))


def _option(variable, kind="str", **more):
    return dict(more, type=kind, fallback=(env_fallback, ["K8S_AUTH_" + variable]))


class _Raw(str):
    """The type of the option kubeconfig: raw, as it is documented, and with a converter, which Ansible takes any type for that can be called."""

    __name__ = "a path or a dictionary"  # in Ansible's message about a value of another type

    def __call__(self, value):
        return kubeconfig(value)


# Mirrors the doc fragment _kube.
AUTH_OPTIONS = {
    "kubeconfig": _option("KUBECONFIG", _Raw("raw")),
    "context": _option("CONTEXT"),
    "host": _option("HOST"),
    "api_key": _option("API_KEY", no_log=True),
    "username": _option("USERNAME"),
    "password": _option("PASSWORD", no_log=True),
    "ca_cert": _option("SSL_CA_CERT", "path", aliases=["ssl_ca_cert"]),
    "client_cert": _option("CERT_FILE", "path", aliases=["cert_file"]),
    "client_key": _option("KEY_FILE", "path", no_log=False, aliases=["key_file"]),
    "validate_certs": _option("VERIFY_SSL", "bool", aliases=["verify_ssl"]),
    "proxy": _option("PROXY"),
    "no_proxy": _option("NO_PROXY"),
    "impersonate_user": _option("IMPERSONATE_USER"),
    "impersonate_groups": _option("IMPERSONATE_GROUPS", "list", elements="str"),
}
_HIDDEN = "(hidden)"
_IN_HEADERS = ("username", "password", "impersonate_user", "impersonate_groups")
POOL = 12  # parallel deletes


def check_library():
    """Errors: AttackError that names the library."""
    if LIBRARY_ERROR is not None:
        raise AttackError(missing_required_lib("kubernetes"), exception=LIBRARY_ERROR)


def configuration(params):
    """The client's configuration from the options of a task. Errors: BadOption, AttackError."""
    check_library()
    _check(params)
    for option in ("kubeconfig", "ca_cert", "client_cert", "client_key"):
        if params.get(option) and not _content(params[option]) and not os.path.isfile(os.path.expanduser(params[option])):
            raise BadOption(option, params[option], "there is no such file on the machine that runs the module")
    settings = kubernetes.client.Configuration()
    if params.get("host"):
        if not params["host"].startswith(("https://", "http://")):
            raise BadOption("host", params["host"], "give a URL such as https://kube.example.com:6443")
        settings.host = params["host"].rstrip("/")
    else:
        _load(settings, params)
    for option, attribute in (
        ("ca_cert", "ssl_ca_cert"),
        ("client_cert", "cert_file"),
        ("client_key", "key_file"),
        ("proxy", "proxy"),
        ("no_proxy", "no_proxy"),
    ):
        if params.get(option):
            setattr(settings, attribute, params[option])
    if params.get("api_key"):
        settings.api_key = {"authorization": "Bearer " + params["api_key"]}
        settings.refresh_api_key_hook = None
    elif params.get("username"):  # overrides the kubeconfig
        settings.api_key, settings.refresh_api_key_hook = {}, None
    settings.verify_ssl = True if params.get("validate_certs") is None else params["validate_certs"]
    if settings.refresh_api_key_hook is not None:
        settings.refresh_api_key_hook = _only_the_token(settings.refresh_api_key_hook)
    settings.connection_pool_maxsize = POOL
    settings.retries = False  # Cluster.request() retries, because it knows which requests may be repeated
    return settings


def _content(value):
    """The dictionary of an inline kubeconfig, or None."""
    return value if isinstance(value, dict) else getattr(value, "content", None)


def _check(params):
    """Check the options alone, without a request. Errors: BadOption."""
    for option in _IN_HEADERS:
        values = params.get(option) or []
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or not value or any(letter in value for letter in "\r\n\0"):
                raise BadOption(option, _HIDDEN if option == "password" else value, "write text on one line")
    for option, other in (("username", "password"), ("password", "username"), ("impersonate_groups", "impersonate_user")):
        if params.get(option) and not params.get(other):
            raise BadOption(option, _HIDDEN if option == "password" else params[option], f"it needs {other} as well")
    if params.get("username") and ":" in params["username"]:
        raise BadOption("username", params["username"], "a name with a colon cannot be sent")


def api_client(settings, params, websocket=False):
    """A client that also sends the headers that settings cannot hold: user name and impersonation.

    websocket: for the stream of the library, which sends two headers of its own and drops all others.
    """
    client = kubernetes.client.ApiClient(settings)
    if params.get("username") and not params.get("api_key"):
        headers = urllib3.util.make_headers(basic_auth="{}:{}".format(params["username"], params["password"]))
        client.set_default_header("authorization", headers["authorization"])
    acts_as = [("Impersonate-User", params["impersonate_user"])] if params.get("impersonate_user") else []
    acts_as += [("Impersonate-Group", group) for group in params.get("impersonate_groups") or []]
    if acts_as and websocket:
        # Appended as lines to the value of a header that is sent. _check() has refused values with line breaks.
        client.set_default_header("sec-websocket-protocol", "\r\n".join(["v4.channel.k8s.io"] + [": ".join(each) for each in acts_as]))
    elif acts_as:
        _add_headers(client.rest_client.pool_manager, acts_as)
    return client


def _add_headers(pool, headers):
    """Send more headers with each request of a pool. Each group needs a header of the same name, which the dictionary of the library cannot hold."""
    request = pool.request

    def with_more(method, url, **more):
        many = urllib3.HTTPHeaderDict(more.pop("headers", None) or {})
        for name, value in headers:
            many.add(name, value)
        return request(method, url, headers=many, **more)

    pool.request = with_more


class _Loaded:
    """The part of a configuration that the refresh hook of the library fills in."""

    def __init__(self):
        self.api_key = {}


def _only_the_token(refresh):
    """Wrap a refresh hook so that it only takes the new token.

    The hook of the library reloads the whole kubeconfig with each request, which overwrites the options and the certificate copies of a watcher.
    """

    def hook(settings):
        loaded = _Loaded()
        refresh(loaded)
        settings.api_key = dict(settings.api_key, **loaded.api_key)  # one assignment, because many threads read it

    return hook


def _load(settings, params):
    """Load a kubeconfig, or the service account of the pod that runs the module. Errors: BadOption, AttackError."""
    config = kubernetes.config
    given = params.get("kubeconfig") or os.environ.get("KUBECONFIG")
    try:
        if not given and not os.path.exists(os.path.expanduser("~/.kube/config")):
            try:
                config.load_incluster_config(client_configuration=settings)
            except config.ConfigException:
                raise AttackError("no cluster is given: set kubeconfig or host, or KUBECONFIG in the environment", option="kubeconfig")
            return
        more = {"context": params.get("context"), "client_configuration": settings, "persist_config": False}
        if _content(given):
            config.load_kube_config_from_dict(config_dict=copy.deepcopy(_content(given)), **more)
        else:
            config.load_kube_config(config_file=given and os.path.expanduser(given), **more)
    except AttackError:
        raise
    except Exception as error:  # for a broken file this library raises any exception
        if params.get("context") and "context" in str(error).lower():
            raise BadOption("context", params["context"], "the kubeconfig has no such context")
        shown = "(a dictionary)" if _content(given) else given or "~/.kube/config"
        raise BadOption("kubeconfig", shown, "it cannot be used: {}".format(" ".join(str(error).split())[:300]))
