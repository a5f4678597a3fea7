/** What every command is given: the options common to all, where to write, and the outside world. */
import type { Readable } from 'node:stream';
import type { Config } from '../../format/config/schema.js';
import type { Output } from '../output/output.js';
import type { Ports } from './ports.js';
import { speaksUnicode, Style, wantsColour } from '../render/style.js';

export type Environment = Record<string, string | undefined>;

/** The process, as far as the CLI touches it. */
export interface CliHost {
  readonly out: Output;
  readonly err: Output;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly env: Environment;
  readonly ports: Ports;
  /** Calls back at SIGINT and SIGTERM instead of ending the process; gives a way to stop that. */
  onSignal(handler: (signal: 'SIGINT' | 'SIGTERM') => void): () => void;
  /** Ends the process without waiting for anything. */
  exitNow(code: number): void;
}

export interface GlobalOptions {
  readonly config?: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}

export class CliContext {
  readonly style: Style;
  /** For what goes to standard error. */
  readonly errorStyle: Style;

  constructor(
    readonly host: CliHost,
    readonly options: GlobalOptions,
  ) {
    this.style = styleFor(host, host.out, options);
    this.errorStyle = styleFor(host, host.err, options);
  }

  get ports(): Ports {
    return this.host.ports;
  }

  /** May we ask the person something, and will they see it? */
  get interactive(): boolean {
    return (
      this.host.stdin.isTTY === true &&
      this.host.out.isTerminal &&
      !this.options.json &&
      !this.options.quiet
    );
  }

  /** Writes a line for people; nothing with `--json` or `--quiet`. */
  say(line = ''): void {
    if (!this.options.json && !this.options.quiet) this.host.out.write(`${line}\n`);
  }

  /** Writes a line of what was asked for (a table, a schema); `--quiet` does not silence it. */
  print(line: string): void {
    this.host.out.write(`${line}\n`);
  }

  /** Writes one JSON document; indented where a person reads it. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, this.host.out.isTerminal ? 2 : undefined));
  }

  /** Writes one event of a stream of JSON lines. */
  emit(event: { readonly type: string } & Readonly<Record<string, unknown>>): void {
    if (this.options.json) this.print(JSON.stringify(event));
  }

  /** Writes a remark to standard error, also with `--json`; not with `--quiet`. */
  warn(line: string): void {
    if (!this.options.quiet) {
      this.host.err.write(`${this.errorStyle.paint('yellow', 'warning:')} ${line}\n`);
    }
  }

  async loadConfig(): Promise<Config> {
    const { ports, options } = this;
    return ports.loadConfig(await ports.findConfigFile(options.config));
  }
}

function styleFor(host: CliHost, output: Output, options: GlobalOptions): Style {
  return new Style({
    colour: wantsColour(host.env, output.isTerminal, options.color),
    unicode: speaksUnicode(host.env),
  });
}
