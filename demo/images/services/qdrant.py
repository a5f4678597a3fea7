"""Stand-in for Qdrant: segments on disk that move while they are read.

/qdrant/storage/collections/<name>/config.json
/qdrant/storage/collections/<name>/0/segments/<uuid>/{segment.json,points.bin}

GET  /healthz                        200 while the process runs
GET  /readyz                         200 when every segment was read whole, else 503 with the reason
GET  /collections                    names
GET  /collections/<name>             status and points_count
PUT  /collections/<name>/points      {"count": n} adds n points (to see a restore take them back)
GET  /digest                         SHA-256 over all points by id, wherever they lie on disk

SEED_MB           size of the seed in MiB (8), made once in an empty storage, at random: a
                  service that came back with a new volume cannot pass for one that was restored
COLLECTION        name of the seeded collection (documents)
REWRITE_MS        how often a segment is rewritten (500), 0 = never
REWRITE_SEGMENTS  how many segments take turns at it (2)

As in the real one, a rewrite makes a new segment, renames it into place and removes the old one.
A copy of the directory made meanwhile can therefore lack points, which points_count and the
digest show; a copy of one instant cannot, because a point found twice counts once.
"""

import hashlib
import json
import os
import shutil
import threading
import time
import uuid

from common import env_int, log, serve

STORAGE = os.environ.get("QDRANT_STORAGE") or "/qdrant/storage"
SEED_MB = env_int("SEED_MB", 8)
COLLECTION = os.environ.get("COLLECTION") or "documents"
REWRITE_MS = env_int("REWRITE_MS", 500)
REWRITE_SEGMENTS = env_int("REWRITE_SEGMENTS", 2)

RECORD = 4096  # one vector of 1024 float32
PER_SEGMENT = 256  # 1 MiB a segment

lock = threading.Lock()
collections = {}  # name -> {"points": {id: sha256 of the record}, "segments": {uuid: [ids]}}
problems = []


def segments_dir(name):
    return os.path.join(STORAGE, "collections", name, "0", "segments")


def write_segment(name, ids, data):
    """A new segment directory, whole or not at all. Returns its uuid."""
    identity = str(uuid.uuid4())
    final = os.path.join(segments_dir(name), identity)
    temporary = final + ".tmp"
    os.makedirs(temporary)
    with open(os.path.join(temporary, "points.bin"), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    header = {"ids": ids, "record": RECORD, "sha256": hashlib.sha256(data).hexdigest(), "written": time.time()}
    with open(os.path.join(temporary, "segment.json"), "w") as file:
        json.dump(header, file)
    os.rename(temporary, final)
    return identity


def remove_segment(name, identity):
    # Renamed first: stopped half-way, what is left must not look like a damaged segment.
    directory = os.path.join(segments_dir(name), identity)
    os.rename(directory, directory + ".tmp")
    shutil.rmtree(directory + ".tmp")


def read_segment(name, identity):
    directory = os.path.join(segments_dir(name), identity)
    with open(os.path.join(directory, "segment.json")) as file:
        header = json.load(file)
    with open(os.path.join(directory, "points.bin"), "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise ValueError("points.bin does not match its checksum")
    return header["ids"], data


def record(data, index):
    return data[index * RECORD : (index + 1) * RECORD]


def add_points(name, count):
    collection = collections[name]
    first = max(collection["points"], default=0) + 1
    for start in range(first, first + count, PER_SEGMENT):
        ids = list(range(start, min(start + PER_SEGMENT, first + count)))
        data = os.urandom(len(ids) * RECORD)
        identity = write_segment(name, ids, data)
        collection["segments"][identity] = ids
        for index, point in enumerate(ids):
            collection["points"][point] = hashlib.sha256(record(data, index)).hexdigest()


def seed(name, size_mb):
    os.makedirs(segments_dir(name), exist_ok=True)
    with open(os.path.join(STORAGE, "collections", name, "config.json"), "w") as file:
        json.dump({"params": {"vectors": {"size": 1024, "distance": "Cosine"}}, "created": str(uuid.uuid4())}, file)
    collections[name] = {"points": {}, "segments": {}}
    add_points(name, size_mb * 256)
    log(f"seeded {size_mb * 256} points into an empty storage")


def load():
    root = os.path.join(STORAGE, "collections")
    os.makedirs(root, exist_ok=True)
    for name in sorted(os.listdir(root)):
        collection = collections[name] = {"points": {}, "segments": {}}
        if not os.path.isdir(segments_dir(name)):
            problems.append(f"collection {name} has no segments")
            continue
        for identity in sorted(os.listdir(segments_dir(name))):
            if identity.endswith(".tmp"):
                shutil.rmtree(os.path.join(segments_dir(name), identity))
                continue
            try:
                ids, data = read_segment(name, identity)
            except (OSError, ValueError, KeyError) as error:
                problems.append(f"collection {name}, segment {identity}: {error}")
                continue
            if ids and all(point in collection["points"] for point in ids):
                # Stopped between the rename and the removal of the old segment.
                remove_segment(name, identity)
                continue
            collection["segments"][identity] = ids
            for index, point in enumerate(ids):
                collection["points"][point] = hashlib.sha256(record(data, index)).hexdigest()


def rewrite_forever():
    turn = 0
    while True:
        time.sleep(REWRITE_MS / 1000)
        with lock:
            for name, collection in collections.items():
                hot = sorted(collection["segments"], key=lambda key: collection["segments"][key][:1])[:REWRITE_SEGMENTS]
                if not hot:
                    continue
                old = hot[turn % len(hot)]
                try:
                    ids, data = read_segment(name, old)
                    new = write_segment(name, ids, data)
                    remove_segment(name, old)
                    collection["segments"][new] = collection["segments"].pop(old)
                except (OSError, ValueError, KeyError) as error:
                    problems.append(f"collection {name}, segment {old}: {error}")
                    return
        turn += 1


def route(method, path, body):
    if path == "/healthz":
        return 200, "healthz check passed\n"
    if path == "/readyz":
        return (503, {"standin": True, "reason": problems[0]}) if problems else (200, "all shards are ready\n")
    parts = path.strip("/").split("/")
    with lock:
        if path == "/collections":
            return 200, {"result": {"collections": [{"name": name} for name in collections]}, "status": "ok"}
        if path == "/digest":
            everything = {name: sorted(collection["points"].items()) for name, collection in collections.items()}
            digest = hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
            return 200, {"digest": digest, "points": sum(len(c["points"]) for c in collections.values())}
        if parts[0] == "collections" and len(parts) > 1 and parts[1] in collections:
            name = parts[1]
            if len(parts) == 3 and parts[2] == "points" and method == "PUT":
                add_points(name, int(body.get("count", 1)))
            result = {
                "status": "red" if problems else "green",
                "points_count": len(collections[name]["points"]),
                "segments_count": len(collections[name]["segments"]),
            }
            return 200, {"result": result, "status": "ok"}
    return 404, {"status": {"error": f"Not found: {path}"}}


log("this is a stand-in for Qdrant, made for Holdfast's tests and demo")
load()
if not collections and SEED_MB > 0:
    seed(COLLECTION, SEED_MB)
for problem in problems:
    log(problem)
if REWRITE_MS > 0 and not problems:
    threading.Thread(target=rewrite_forever, daemon=True).start()
serve(6333, route)
