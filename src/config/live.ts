/**
 * The configuration of a worker that runs for months: read anew for each run, so that a source that
 * was added is in the next backup. A bad edit keeps the last good one, and is said until it is
 * mended. One run uses one version from its beginning to its end, whatever is edited meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../base/errors.js';
import { checkConfig, parseConfig } from './check/check.js';
import { readConfigText } from './load.js';
import type { Config } from '../format/config/schema.js';

/** Why the file as it is now is not what the worker goes by. */
export interface ConfigTrouble {
  readonly message: string;
  readonly hint: string;
}

export interface LiveState {
  /** The last good version. */
  readonly config: Config;
  /** Absent where that is the file as it is now. */
  readonly trouble?: ConfigTrouble;
}

/** Texts of versions, for a worker that is started anew while a run of one goes on. */
export interface VersionKeeper {
  keep(config: Config, text: string): Promise<void>;
  /** @returns the text of that digest, where it was kept for this configuration's root */
  recall(config: Config, digest: string): Promise<string | undefined>;
}

/** An editor that writes in place leaves half a file for a moment: looked at again before it counts. */
const SECOND_LOOK_MS = 250;
const LOOKS = 3;
/** Runs whose version is remembered; the oldest are forgotten, and found by their digests. */
const MOST_RUNS = 1_000;

export class LiveConfig {
  #current: Config;
  #trouble: ConfigTrouble | undefined;
  #looking: Promise<LiveState> | undefined;
  readonly #versions = new Map<string, Config>();
  readonly #runs = new Map<string, string>();

  /** @param initial the version the worker starts with: its stack and host are the worker's for good */
  constructor(
    initial: Config,
    private readonly keeper?: VersionKeeper,
  ) {
    this.#current = initial;
    this.#versions.set(initial.digest, initial);
  }

  get state(): LiveState {
    const trouble = this.#trouble;
    return { config: this.#current, ...(trouble === undefined ? {} : { trouble }) };
  }

  /** Reads the file. Never rejects: what is wrong with it is told in the state. */
  refresh(): Promise<LiveState> {
    // Runs that begin together share one look.
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** From now on the run, and whatever hangs below its id, works with this version. */
  bind(workflowId: string, config: Config): void {
    this.#runs.delete(workflowId);
    this.#runs.set(workflowId, config.digest);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > MOST_RUNS && oldest !== undefined) this.#runs.delete(oldest);
  }

  /**
   * The version a run works with: that of the digest, else the one it was bound to, else the
   * present one. Where a digest is nowhere any more it is the present one, too: who must not work
   * with another version than the run began with checks that itself.
   */
  async versionFor(workflowId: string, digest?: string): Promise<Config> {
    const wanted = digest ?? this.#boundTo(workflowId);
    if (wanted === undefined) return this.#current;
    const known = this.#versions.get(wanted);
    if (known !== undefined) return known;
    const text = await this.keeper?.recall(this.#current, wanted).catch(() => undefined);
    if (text === undefined) return this.#current;
    const checked = checkConfig(text, this.#current.file);
    // An older program's configuration need not be one of this program's.
    if (!checked.ok || checked.config.digest !== wanted) return this.#current;
    this.#versions.set(wanted, checked.config);
    return checked.config;
  }

  /** A child's id hangs below its parent's. */
  #boundTo(workflowId: string): string | undefined {
    for (let id = workflowId; id !== ''; id = id.slice(0, Math.max(0, id.lastIndexOf('/')))) {
      const digest = this.#runs.get(id);
      if (digest !== undefined) return digest;
    }
    return undefined;
  }

  async #look(): Promise<LiveState> {
    for (let looks = 1; ; looks += 1) {
      try {
        const text = await readConfigText(this.#current.file);
        const { config } = parseConfig(text, this.#current.file);
        this.#trouble = foreign(config, this.#current);
        if (this.#trouble === undefined) {
          this.#versions.set(config.digest, config);
          this.#current = config;
          await this.keeper?.keep(config, text).catch(() => undefined);
        }
        break;
      } catch (error) {
        if (looks < LOOKS) {
          await delay(SECOND_LOOK_MS);
          continue;
        }
        this.#trouble = {
          message: `the configuration can't be used as it is now, its last good version stays in use: ${messageOf(error)}`,
          hint: `correct ${this.#current.file}; \`holdfast config check\` says when it is right`,
        };
        break;
      }
    }
    return this.state;
  }
}

/** The queues a worker listens at are named for its stack and host: another one needs another worker. */
function foreign(config: Config, current: Config): ConfigTrouble | undefined {
  const changed = [
    ...(config.stack === current.stack ? [] : [`stack ${config.stack}`]),
    ...(config.hostId === current.hostId ? [] : [`host ${config.hostId}`]),
  ];
  if (changed.length === 0) return undefined;
  return {
    message:
      `${config.file} is for ${changed.join(' and ')} now; this worker serves ` +
      `${current.stack} on ${current.hostId} and goes on with its last version`,
    hint: 'start the worker anew',
  };
}
