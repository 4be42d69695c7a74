"""A hub on the loopback, which speaks as much of the hub's protocol as its library asks of it here."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from huggingface_hub import constants

LARGE = (".safetensors", ".onnx", ".png")


class Hub:
    """Repositories → revisions → files, and the faults that a test wants of the network.

    `requests` are (method, path, range) of all requests; `tokens` the tokens that were sent.
    """

    def __init__(self):
        self.repositories, self.private, self.stored = {}, {}, {}
        self.requests, self.tokens = [], set()
        self.breaks_after = None
        self.spoils = self.down = False
        self.refuses = None

    def add(self, name, files, revision="main"):
        """One commit, by which the branch has these files alone; its hash is returned."""
        commit = hashlib.sha1(repr((name, sorted(files.items()))).encode()).hexdigest()
        self.repositories.setdefault(name, {}).update({revision: commit, commit: dict(files)})
        return commit

    def files(self, name, revision="main"):
        there = self.repositories[name]
        found = there[revision]
        return found if isinstance(found, dict) else there[found]

    def downloads(self):
        return [entry for entry in self.requests if entry[0] == "GET" and "/resolve/" in entry[1]]


def described(path, content):
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"rfilename": path, "size": len(content), "blobId": blob}
    if path.endswith(LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
    return entry


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _say(self, status=200, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _received(self):
        length = self.headers.get("Content-Length")
        if length is not None:
            return self.rfile.read(int(length))
        content = b""
        while size := int(self.rfile.readline(), 16) if "Transfer-Encoding" in self.headers else 0:
            content += self.rfile.read(size)
            self.rfile.readline()
        return content

    def _any(self):
        hub = self.server.hub
        path = unquote(self.path.partition("?")[0])
        hub.requests.append((self.command, path, self.headers.get("Range")))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        hub.tokens.add(token)
        body = self._received() if self.command in ("POST", "PUT") else b""
        if hub.down:
            return self._say(503)
        if hub.refuses and self.command == hub.refuses[0] and re.search(hub.refuses[1], path):
            return self._say(403, {"error": "Forbidden"}, X_Error_Message="Forbidden")
        for pattern, answer in ROUTES.items():
            if found := re.fullmatch(pattern, path):
                return answer(self, hub, *found.groups(), *([body] if body else []))
        return self._say(404)

    do_GET = do_HEAD = do_POST = do_PUT = _any

    def info(self, hub, name, revision="main"):
        files = self._found(hub, name, revision)
        if files is None:
            return None
        there = hub.repositories[name]
        commit = there[revision] if isinstance(there[revision], str) else revision
        siblings = [described(path, content) for path, content in files.items()]
        return self._say(body={"id": name, "sha": commit, "siblings": siblings, "tags": []})

    def _found(self, hub, name, revision):
        if name not in hub.repositories:
            self._say(404, {"error": "no repository"}, X_Error_Code="RepoNotFound")
        elif revision not in hub.repositories[name]:
            self._say(404, {"error": "no revision"}, X_Error_Code="RevisionNotFound")
        else:
            return hub.files(name, revision)
        return None

    def resolve(self, hub, name, revision, path):
        files = self._found(hub, name, revision)
        if files is None:
            return None
        if path not in files:
            return self._say(404, X_Error_Code="EntryNotFound")
        there, content = hub.repositories[name], files[path]
        entry = described(path, content)
        commit = there[revision] if isinstance(there[revision], str) else revision
        etag = entry["lfs"]["sha256"] if "lfs" in entry else entry["blobId"]
        headers = {"ETag": f'"{etag}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if hub.spoils:
            content = content[:-8] + bytes(8)
        if self.command == "HEAD":
            return self._say(body=content, **headers)
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        if hub.breaks_after is None:
            return self._part(content, start, headers)
        # What was promised is more than what is sent before the connection ends
        self.send_response(206 if start else 200)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + hub.breaks_after])
        hub.breaks_after = None
        self.close_connection = True
        return None

    def _part(self, content, start, headers):
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return self._say(206 if start else 200, content[start:], **headers)

    def create(self, hub, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in hub.repositories:
            return self._say(409, {"error": "exists", "url": f"{self.server.url}/{name}"})
        hub.private[name] = asked.get("visibility") == "private" or asked.get("private") is True
        hub.add(name, {".gitattributes": b""})
        return self._say(body={"url": f"{self.server.url}/{name}"})

    def preupload(self, hub, name, revision, body):
        if self._found(hub, name, revision) is None:
            return None
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        return self._say(body={"files": modes})

    def batch(self, hub, name, body):
        objects = [
            {**wanted, "actions": {"upload": {"href": f"{self.server.url}/store/{wanted['oid']}"}}}
            for wanted in json.loads(body)["objects"]
        ]
        return self._say(body={"transfer": "basic", "objects": objects})

    def store(self, hub, oid, body):
        hub.stored[oid] = body
        return self._say()

    def commit(self, hub, name, revision, body):
        files = dict(hub.files(name, revision))
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"])
        commit = hub.add(name, files, revision)
        url = f"{self.server.url}/{name}/commit/{commit}"
        return self._say(body={"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def valid(self, hub, body):
        return self._say(body={"errors": [], "warnings": []})


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = {
    rf"/api/models/{NAME}": Handler.info,
    rf"/api/models/{NAME}/revision/(.+)": Handler.info,
    rf"/{NAME}/resolve/([^/]+)/(.+)": Handler.resolve,
    r"/api/repos/create": Handler.create,
    rf"/api/models/{NAME}/preupload/(.+)": Handler.preupload,
    rf"/{NAME}\.git/info/lfs/objects/batch": Handler.batch,
    r"/store/(\w+)": Handler.store,
    rf"/api/models/{NAME}/commit/(.+)": Handler.commit,
    r"/api/validate-yaml": Handler.valid,
}


@contextmanager
def local_hub(cache, token="hf_secretsecretsecret"):
    """A hub, and the library told to ask it, by what its environment variables would set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hub, server.url = Hub(), f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", token)
        patch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        try:
            yield server.hub
        finally:
            server.shutdown()
            server.server_close()
