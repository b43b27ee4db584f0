/**
 * Whether a node may be what its workers died of, by how many deliveries of the attempt were lost. One crash says little about
 * what was running; a second one, or the last but one that is allowed, sets it apart from the others.
 */
export const isSuspect = (lost: number, maxDeliveries: number): boolean =>
  lost > 0 && lost >= Math.min(2, maxDeliveries - 1)
