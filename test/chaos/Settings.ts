/**
 * What the processes of a campaign are told.
 */

export interface StoreSettings {
  readonly url: string
  readonly namespace: string
  readonly partitions: number
  readonly lease: number
  readonly deadline: number
  readonly maxDeliveries: number
  /** All runs of the campaign: they are looked at in the end. */
  readonly retention: { readonly count: number }
}

export interface ProcessSettings {
  readonly name: string
  readonly store: StoreSettings
}

export interface WorkerSettings extends ProcessSettings {
  /** File of the ledger. */
  readonly ledger: string
  readonly concurrency: number
}
