"""What every stand-in needs: a small JSON-over-HTTP server that stops when told to."""

import json
import os
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def log(message):
    print(message, flush=True)


def env_int(name, default):
    return int(os.environ.get(name) or default)


def serve(port, route):
    """Serve until SIGTERM. `route(method, path, body)` returns (status, JSON value or text)."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length) if length else b""
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            try:
                status, value = route(self.command, path, json.loads(raw) if raw else {})
            except Exception as error:  # an answer with the reason beats a closed connection
                status, value = 500, {"error": f"{type(error).__name__}: {error}"}
            text = value if isinstance(value, str) else json.dumps(value) + "\n"
            kind = "text/plain" if isinstance(value, str) else "application/json"
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_):
            pass  # health checks every second would drown the log

    def stop(*_):
        raise SystemExit(0)

    # PID 1 has no default action for signals: without this, every stop takes the whole grace period.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)
    server.daemon_threads = True
    log(f"listening on port {port}")
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        log("stopped")


def fetch(url, timeout=2):
    """(status, parsed JSON); raises only when nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, {}


def fail(message):
    log(message)
    sys.exit(1)
