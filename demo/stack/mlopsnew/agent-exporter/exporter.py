"""Prometheus metrics about the agent, in the text exposition format."""

import os
import signal
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AGENT_URL = os.environ.get("AGENT_URL", "http://agent:8000/health")
started = time.time()
state = {"scrapes": 0, "up": 0}


def watch_agent():
    # Apart from the scrape: an agent that hangs must not make its exporter hang.
    while True:
        try:
            with urllib.request.urlopen(AGENT_URL, timeout=2) as response:
                state["up"] = int(response.status == 200)
        except (OSError, urllib.error.URLError):
            state["up"] = 0
        time.sleep(1)


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        state["scrapes"] += 1
        lines = [
            "# HELP agent_up Whether the agent answers that it is healthy.",
            "# TYPE agent_up gauge",
            f"agent_up {state['up']}",
            "# HELP agent_exporter_scrapes_total How often the metrics were read.",
            "# TYPE agent_exporter_scrapes_total counter",
            f"agent_exporter_scrapes_total {state['scrapes']}",
            "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {started}",
        ]
        data = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def stop(*_):
    raise SystemExit(0)


signal.signal(signal.SIGTERM, stop)
threading.Thread(target=watch_agent, daemon=True).start()
server = ThreadingHTTPServer(("0.0.0.0", 9101), Metrics)
server.daemon_threads = True
server.serve_forever(poll_interval=0.2)
