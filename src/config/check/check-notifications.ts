/** Cross-checks of the notification channels, each as written. Pure. */
import { PLACEHOLDERS, unknownPlaceholders } from '../../plan/notify/body-template.js';
import { isRecord } from './known-keys.js';
import { nearest } from '../../base/nearest.js';
import type { ConfigPath } from '../../format/config/config-path.js';
import type { PathProblem } from './problems.js';

type Written = Readonly<Record<string, unknown>>;

const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/** What is wrong with the channels together and each by itself; silent about malformed ones. */
export function checkNotifications(written: unknown): PathProblem[] {
  const channels: readonly unknown[] = Array.isArray(written) ? written : [];
  const names = new Map<string, number>();
  return channels.flatMap((channel, index) => {
    if (!isRecord(channel)) return [];
    const problems = checkNotification(index, channel);
    const name = channel['name'];
    if (typeof name !== 'string') return problems;
    const first = names.get(name);
    if (first === undefined) {
      names.set(name, index);
      return problems;
    }
    const fix = 'give each its own: `holdfast notify test --channel` takes it';
    const path = ['notifications', index, 'name'];
    return [...problems, { path, message: `two channels are called "${name}"`, fix }];
  });
}

function checkNotification(index: number, channel: Written): PathProblem[] {
  const path: ConfigPath = ['notifications', index];
  switch (channel['type']) {
    case 'webhook':
      return [...checkAddress(path, channel, true), ...checkBody(path, channel['body'])];
    case 'ping':
      return checkPing(path, channel);
    case 'email':
      return checkEmail(path, channel);
    default:
      return [];
  }
}

function given(channel: Written, keys: readonly string[]): readonly string[] {
  return keys.filter((key) => channel[key] !== undefined);
}

function checkAddress(path: ConfigPath, channel: Written, needed: boolean): PathProblem[] {
  const keys = given(channel, ['url', 'urlFile', 'urlEnv']);
  if (keys.length === 1 || (keys.length === 0 && !needed)) return [];
  const message = keys.length === 0 ? 'no address' : `several addresses: ${keys.join(', ')}`;
  return [{ path, message, fix: 'give exactly one of url, urlFile and urlEnv' }];
}

function checkPing(path: ConfigPath, channel: Written): PathProblem[] {
  const base = given(channel, ['url', 'urlFile', 'urlEnv']);
  if (base.length > 0) return checkAddress(path, channel, true);
  const missing = ['success', 'failure'].filter((key) => channel[key] === undefined);
  if (missing.length === 0) return [];
  return [
    {
      path,
      message: `no address for ${missing.join(' and ')}`,
      fix: 'give one base with url, urlFile or urlEnv, or both success and failure',
    },
  ];
}

function checkBody(path: ConfigPath, body: unknown): PathProblem[] {
  return unknownPlaceholders(body).map((name) => {
    const near = nearest(name, PLACEHOLDERS);
    const fix =
      near === undefined ? `there are ${PLACEHOLDERS.join(', ')}` : `did you mean "${near}"?`;
    return { path: [...path, 'body'], message: `unknown placeholder "{{${name}}}"`, fix };
  });
}

function checkEmail(path: ConfigPath, channel: Written): PathProblem[] {
  const passwords = given(channel, ['passwordFile', 'passwordEnv']);
  const hasUser = channel['user'] !== undefined;
  if (hasUser && passwords.length !== 1) {
    const message = passwords.length === 0 ? 'a user without a password' : 'two passwords';
    return [{ path, message, fix: 'give exactly one of passwordFile and passwordEnv' }];
  }
  if (!hasUser && passwords.length > 0) {
    return [{ path, message: 'a password without a user', fix: 'give the user, too' }];
  }
  const host = channel['host'];
  if (hasUser && channel['security'] === 'none' && !LOOPBACK.some((name) => name === host)) {
    const message = 'the password would go over the network in plain text';
    return [{ path: [...path, 'security'], message, fix: 'use starttls or tls' }];
  }
  return [];
}
