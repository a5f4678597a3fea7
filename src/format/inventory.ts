/** What the engine has: containers and volumes, as facts. */

export interface InventoryMount {
  readonly type: string;
  readonly volume?: string;
  /** Path on the engine's host. */
  readonly source: string;
  readonly destination: string;
  readonly readWrite: boolean;
}

export interface InventoryContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** As the engine says: `running`, `exited` … */
  readonly state: string;
  /** Compose's. */
  readonly project?: string;
  readonly mounts: readonly InventoryMount[];
}

export interface InventoryVolume {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly options: Readonly<Record<string, string>>;
  readonly project?: string;
}
