"""Stand-in for the agent's API: healthy only while its database and its vectors are there.

GET /health   200 with row and point counts, else 503 with the reason

DATABASE_URL   its database in the shared PostgreSQL
MIN_ROWS       rows expected in public.documents at least (1)
QDRANT_URL     its own vector store (http://agent_qdrant:6333)
COLLECTION     collection that must hold points (documents)
CACHE_MS       how long an answer is reused (500), so that many askers do not become many queries

It starts without its dependencies and stays unhealthy until they are there.
"""

import os
import threading
import time

import psycopg2

from common import env_int, fetch, log, serve

DATABASE_URL = os.environ["DATABASE_URL"]
MIN_ROWS = env_int("MIN_ROWS", 1)
QDRANT_URL = (os.environ.get("QDRANT_URL") or "http://agent_qdrant:6333").rstrip("/")
COLLECTION = os.environ.get("COLLECTION") or "documents"
CACHE_S = env_int("CACHE_MS", 500) / 1000

lock = threading.Lock()
cached = (float("-inf"), 503, {})


def rows():
    connection = psycopg2.connect(DATABASE_URL, connect_timeout=2)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM public.documents")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def points():
    status, answer = fetch(f"{QDRANT_URL}/collections/{COLLECTION}")
    if status != 200:
        raise RuntimeError(f"no collection {COLLECTION} (HTTP {status})")
    if answer["result"]["status"] != "green":
        raise RuntimeError(f"collection {COLLECTION} is {answer['result']['status']}")
    return answer["result"]["points_count"]


def check():
    health = {"standin": True}
    try:
        health["rows"] = rows()
        if health["rows"] < MIN_ROWS:
            return 503, {**health, "reason": f"database: {health['rows']} documents, expected at least {MIN_ROWS}"}
    except psycopg2.Error as error:
        return 503, {**health, "reason": f"database: {str(error).strip()}"}
    try:
        health["points"] = points()
        if health["points"] == 0:
            return 503, {**health, "reason": "qdrant: no points"}
    except Exception as error:
        return 503, {**health, "reason": f"qdrant: {error}"}
    return 200, {**health, "status": "ok"}


def route(_method, path, _body):
    global cached
    if path != "/health":
        return 404, {"error": "not found"}
    with lock:
        if time.monotonic() - cached[0] > CACHE_S:
            status, health = check()
            if status != cached[1]:
                log(f"health is now {status}: {health}")
            cached = (time.monotonic(), status, health)
    return cached[1], cached[2]


log("this is a stand-in for the agent, made for Holdfast's tests and demo")
serve(8000, route)
