/** As what an image can be written for firmware, other hypervisors and clouds. */

export const EXPORT_FORMATS = ["raw", "qcow2", "uki", "raw.zst", "qcow2.zst"] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]
