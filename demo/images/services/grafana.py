"""Stand-in for Grafana: a live SQLite database in WAL mode at /var/lib/grafana/grafana.db.

GET  /api/health        200 like Grafana's, 503 when the database is damaged
GET  /api/dashboards    the seeded dashboards
POST /api/dashboards    {"title": …} adds one (to see a restore take it back)
GET  /digest            SHA-256 over the dashboards, not over the rows that are always being written

GRAFANA_STANDIN_WRITE=0 stops the background writes. The seed is random, made once in an empty
volume: a service that came back with a new volume cannot pass for one that was restored.
"""

import hashlib
import json
import os
import sqlite3
import threading
import time
import uuid

from common import env_int, fail, log, serve

PATH = os.environ.get("GRAFANA_DB") or "/var/lib/grafana/grafana.db"
DASHBOARDS = env_int("GRAFANA_STANDIN_DASHBOARDS", 40)
KEEP_ROWS = 5000


def connect():
    connection = sqlite3.connect(PATH, timeout=5, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def seed(db):
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS dashboard (id INTEGER PRIMARY KEY, uid TEXT UNIQUE, title TEXT, data TEXT)")
    db.execute("CREATE TABLE IF NOT EXISTS annotation (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, text TEXT)")
    if db.execute("SELECT count(*) FROM dashboard").fetchone()[0] == 0:
        for number in range(DASHBOARDS):
            panels = [{"id": panel, "expr": uuid.uuid4().hex} for panel in range(20)]
            db.execute(
                "INSERT INTO dashboard (uid, title, data) VALUES (?, ?, ?)",
                (uuid.uuid4().hex[:12], f"ML dashboard {number}", json.dumps({"panels": panels})),
            )
        log(f"seeded {DASHBOARDS} dashboards into an empty database")
    db.execute("COMMIT")


def write_forever():
    db = connect()
    while True:
        db.execute("INSERT INTO annotation (at, text) VALUES (?, ?)", (time.time(), uuid.uuid4().hex * 8))
        db.execute("DELETE FROM annotation WHERE id <= (SELECT max(id) FROM annotation) - ?", (KEEP_ROWS,))
        time.sleep(0.2)


def problem_at_start():
    try:
        db = connect()
        result = db.execute("PRAGMA integrity_check").fetchone()[0]
        if result != "ok":
            return f"integrity_check: {result}"
        seed(db)
        db.close()
        return None
    except sqlite3.DatabaseError as error:
        return str(error)


def route(method, path, body):
    if path == "/api/health":
        reason = problem
        if reason is None:
            try:
                connect().execute("SELECT count(*) FROM dashboard").fetchone()
            except sqlite3.Error as error:
                reason = str(error)
        health = {"database": "ok" if reason is None else "failing", "version": "10.4.2", "commit": "standin", "standin": True}
        if reason is not None:
            health["reason"] = reason
        return (200 if reason is None else 503), health
    db = connect()
    try:
        if path == "/api/dashboards" and method == "POST":
            cursor = db.execute(
                "INSERT INTO dashboard (uid, title, data) VALUES (?, ?, ?)",
                (uuid.uuid4().hex[:12], body.get("title", "added"), json.dumps({"panels": []})),
            )
            return 200, {"id": cursor.lastrowid}
        rows = db.execute("SELECT id, uid, title, data FROM dashboard ORDER BY id").fetchall()
        if path == "/api/dashboards":
            return 200, [{"id": row[0], "uid": row[1], "title": row[2]} for row in rows]
        if path == "/digest":
            digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
            return 200, {"digest": digest, "dashboards": len(rows)}
    finally:
        db.close()
    return 404, {"error": "not found"}


log("this is a stand-in for Grafana, made for Holdfast's tests and demo")
if not os.access(os.path.dirname(PATH), os.W_OK):
    fail(f"cannot write to {os.path.dirname(PATH)}: its owner must be uid {os.getuid()}")
problem = problem_at_start()
if problem is not None:
    log(f"database is damaged: {problem}")
elif env_int("GRAFANA_STANDIN_WRITE", 1):
    threading.Thread(target=write_forever, daemon=True).start()
serve(3000, route)
