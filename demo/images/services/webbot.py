"""Stand-in for a web interface: healthy only while the agent is.

GET  /health    200 while the agent answers 200 and its own files are there, else 503 with the reason
GET  /          the page from /app/index.html
GET  /digest    SHA-256 over the conversations in /data (not over the counter that moves)
POST /messages  {"text": …} adds a conversation (to see a restore take it back)

AGENT_URL  the agent's health URL (http://agent:8000/health)
"""

import hashlib
import json
import os
import threading
import time
import uuid

from common import fetch, fail, log, serve

AGENT_URL = os.environ.get("AGENT_URL") or "http://agent:8000/health"
DATA = "/data"
APP = "/app"
CONVERSATIONS = os.path.join(DATA, "conversations")
STATE = os.path.join(DATA, "state.json")

lock = threading.Lock()


def write_whole(path, text):
    with open(path + ".tmp", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".tmp", path)


def seed():
    # Random, and only into an empty volume: a new volume must not pass for a restored one.
    os.makedirs(CONVERSATIONS)
    for number in range(50):
        write_whole(os.path.join(CONVERSATIONS, f"{number:05d}.json"), json.dumps({"text": uuid.uuid4().hex * 16}))
    log("seeded 50 conversations into an empty volume")


def tick_forever():
    ticks = 0
    while True:
        ticks += 1
        with lock:
            write_whole(STATE, json.dumps({"ticks": ticks, "at": time.time()}))
        time.sleep(1)


def route(method, path, body):
    if path == "/health":
        if not os.path.exists(os.path.join(APP, "index.html")):
            return 503, {"standin": True, "reason": "app: /app/index.html is missing"}
        try:
            status, answer = fetch(AGENT_URL, timeout=4)
        except Exception as error:
            return 503, {"standin": True, "reason": f"agent: {error}"}
        if status != 200:
            return 503, {"standin": True, "reason": f"agent: {answer.get('reason', f'HTTP {status}')}"}
        return 200, {"standin": True, "status": "ok"}
    if path == "/":
        with open(os.path.join(APP, "index.html")) as file:
            return 200, file.read()
    if path == "/messages" and method == "POST":
        with lock:
            name = f"{len(os.listdir(CONVERSATIONS)):05d}.json"
            write_whole(os.path.join(CONVERSATIONS, name), json.dumps({"text": str(body.get("text", "added"))}))
        return 200, {"name": name}
    if path == "/digest":
        digest = hashlib.sha256()
        names = sorted(name for name in os.listdir(CONVERSATIONS) if name.endswith(".json"))
        for name in names:
            with open(os.path.join(CONVERSATIONS, name), "rb") as file:
                digest.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
        return 200, {"digest": digest.hexdigest(), "conversations": len(names)}
    return 404, {"error": "not found"}


log("this is a stand-in for the web interface, made for Holdfast's tests and demo")
if not os.access(DATA, os.W_OK):
    fail(f"cannot write to {DATA}: its owner must be uid {os.getuid()}")
if not os.path.isdir(CONVERSATIONS):
    seed()
threading.Thread(target=tick_forever, daemon=True).start()
serve(8080, route)
