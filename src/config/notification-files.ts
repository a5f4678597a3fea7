/** Files a notification channel takes its address and its secrets from. Pure. */
import type { NotificationConfig, SecretValue } from '../format/config/notifications.js';
import type { ConfigPath } from '../format/config/config-path.js';

export interface NamedFile {
  /** Below the channel. */
  readonly key: ConfigPath;
  readonly file: string;
}

export function notificationFiles(channel: NotificationConfig): readonly NamedFile[] {
  switch (channel.type) {
    case 'webhook':
      return [...one(['urlFile'], channel.urlFile), ...ofHeaders(channel.headers)];
    case 'email':
      return [...one(['passwordFile'], channel.passwordFile), ...one(['caFile'], channel.caFile)];
    case 'ping':
      return [
        ...one(['urlFile'], channel.urlFile),
        ...ofValue(['start'], channel.start),
        ...ofValue(['success'], channel.success),
        ...ofValue(['failure'], channel.failure),
        ...ofHeaders(channel.headers),
      ];
  }
}

function one(key: ConfigPath, file: string | undefined): readonly NamedFile[] {
  return file === undefined ? [] : [{ key, file }];
}

function ofValue(key: ConfigPath, value: SecretValue | undefined): readonly NamedFile[] {
  if (typeof value !== 'object' || !('file' in value)) return [];
  return [{ key: [...key, 'file'], file: value.file }];
}

function ofHeaders(headers: Readonly<Record<string, SecretValue>>): readonly NamedFile[] {
  return Object.entries(headers).flatMap(([name, value]) => ofValue(['headers', name], value));
}
