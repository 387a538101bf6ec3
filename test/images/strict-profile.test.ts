/**
 * The settings of strict as they were when all checks of kernel-hardening-checker were OK (`make khc`). Frozen on purpose:
 * a line that goes from images/profiles/strict, or that an image weakens, is named here before anybody boots it.
 */

import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readLayers } from "../../builder/definition/read-layers.ts"
import type { ImageDefinition } from "../../builder/image-definition.ts"
import { flattenDefinitions } from "../../builder/plan/flatten.ts"
import { planSysctls } from "../../builder/plan/render-sysctls.ts"
import { projectDir } from "../rules/sources.ts"

/** What the checker wants of /proc/sys; its six of IPv6 are answered by ipv6.disable=1 below. */
const CHECKED_SETTINGS = {
  "kernel.dmesg_restrict": "1",
  "kernel.kptr_restrict": "2",
  "kernel.perf_event_paranoid": "3",
  "kernel.randomize_va_space": "2",
  "kernel.kexec_load_disabled": "1",
  "kernel.unprivileged_bpf_disabled": "1",
  "net.core.bpf_jit_harden": "2",
  "kernel.io_uring_disabled": "2",
  "kernel.sysrq": "0",
  "kernel.modules_disabled": "1",
  "kernel.yama.ptrace_scope": "3",
  "kernel.oops_limit": "100",
  "kernel.warn_limit": "100",
  "user.max_user_namespaces": "0",
  "vm.unprivileged_userfaultfd": "0",
  "vm.mmap_min_addr": "65536",
  "vm.mmap_rnd_bits": "32",
  "vm.mmap_rnd_compat_bits": "16",
  "dev.tty.ldisc_autoload": "0",
  "dev.tty.legacy_tiocsti": "0",
  "fs.protected_symlinks": "1",
  "fs.protected_hardlinks": "1",
  "fs.protected_fifos": "2",
  "fs.protected_regular": "2",
  "fs.suid_dumpable": "0",
  "net.ipv4.icmp_ignore_bogus_error_responses": "1",
  "net.ipv4.icmp_echo_ignore_broadcasts": "1",
  "net.ipv4.tcp_syncookies": "1",
  "net.ipv4.conf.all.accept_redirects": "0",
  "net.ipv4.conf.all.accept_source_route": "0",
  "net.ipv4.conf.default.accept_redirects": "0",
  "net.ipv4.conf.default.accept_source_route": "0",
}

/** What it does not ask for: Lynis, CIS's cautions and others do. */
const OTHER_SETTINGS = {
  "kernel.panic_on_oops": "1",
  "kernel.core_pattern": "|/bin/false",
  "kernel.core_uses_pid": "1",
  "kernel.ctrl-alt-del": "0",
  "net.ipv4.ip_forward": "0",
  "net.ipv4.conf.all.secure_redirects": "0",
  "net.ipv4.conf.all.send_redirects": "0",
  "net.ipv4.conf.all.rp_filter": "1",
  "net.ipv4.conf.all.log_martians": "1",
  "net.ipv4.conf.all.proxy_arp": "0",
  "net.ipv4.conf.all.bootp_relay": "0",
  "net.ipv4.conf.default.secure_redirects": "0",
  "net.ipv4.conf.default.send_redirects": "0",
  "net.ipv4.conf.default.rp_filter": "1",
  "net.ipv4.conf.default.log_martians": "1",
  "net.ipv4.conf.default.proxy_arp": "0",
  "net.ipv4.conf.default.bootp_relay": "0",
}

const OPTIONS = [
  "slab_nomerge",
  "init_on_alloc=1",
  "init_on_free=1",
  "page_alloc.shuffle=1",
  "randomize_kstack_offset=1",
  "hardened_usercopy=1",
  "hash_pointers=always",
  "kfence.sample_interval=100",
  "pti=on",
  "mitigations=auto,nosmt",
  "nosmt",
  "spectre_v2=on",
  "spec_store_bypass_disable=on",
  "l1tf=full,force",
  "mds=full,nosmt",
  "rodata=on",
  "tsx=off",
  "vsyscall=none",
  "vdso32=0",
  "ia32_emulation=0",
  "debugfs=off",
  "lockdown=confidentiality",
  "module.sig_enforce=1",
  "cfi=kcfi",
  "iommu=force",
  "intel_iommu=on",
  "iommu.strict=1",
  "iommu.passthrough=0",
  "efi=disable_early_pci_dma",
  "bdev_allow_write_mounted=0",
  "proc_mem.force_override=never",
  "oops=panic",
  "ipv6.disable=1",
]

/** Words of the command line that would take something away, and that the checker wants absent, or at least not off. */
const ABSENT = [
  "nokaslr",
  "no_hash_pointers",
  "nosmep",
  "nosmap",
  "dis_ucode_ldr",
  "setcpuid",
  "clearcpuid",
  "nopti",
  "nospec_store_bypass_disable",
  "nospectre_v1",
  "nospectre_v2",
  "nospectre_bhb",
  "arm64.nobti",
  "arm64.nopauth",
  "arm64.nomte",
  "arm64.nogcs",
  "spectre_v2_user",
  "spectre_bhi",
  "tsx_async_abort",
  "srbds",
  "mmio_stale_data",
  "retbleed",
  "spec_rstack_overflow",
  "gather_data_sampling",
  "reg_file_data_sampling",
  "tsa",
  "indirect_target_selection",
  "vmscape",
  "amd_iommu",
  "slab_merge",
  "slub_merge",
  "slab_common.usercopy_fallback",
  "sysrq_always_enabled",
  "norandmaps",
]

const images = readdirSync(join(projectDir, "images"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["profiles", "templates", "tools"].includes(entry.name))
  .map(({ name }) => name)

describe.each(images)("the image %s under strict", (image) => {
  it.each(Object.entries({ ...CHECKED_SETTINGS, ...OTHER_SETTINGS }))("has %s = %s", async (key, value) => {
    const found = planSysctls(await flatten(image)).find((one) => one.key === key)
    expect(found?.value, key).toBe(value)
  })

  it.each(OPTIONS)("is started with %s", async (option) => {
    expect(wordsOf(await flatten(image))).toContain(option)
  })

  it("says each of them once, so that no later word takes one back", async () => {
    const names = wordsOf(await flatten(image)).map((word) => word.split("=")[0])
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  })

  it("is started with no word that takes a protection away", async () => {
    const names = wordsOf(await flatten(image)).map((word) => word.split("=")[0])
    expect(names.filter((name = "") => ABSENT.includes(name))).toEqual([])
  })
})

describe("the frozen table", () => {
  it("holds every setting and option of strict: a new one is written here, too", async () => {
    const [strict] = await readLayers(projectDir, "base", "strict")
    const known = { ...CHECKED_SETTINGS, ...OTHER_SETTINGS }
    expect(strict?.definition.sysctl.map(({ key }) => key).sort()).toEqual(Object.keys(known).sort())
    const words = strict?.definition.kernel.options.map(({ text }) => text) ?? []
    expect(words.filter((word) => !OPTIONS.includes(word))).toEqual([])
  })
})

async function flatten(image: string): Promise<ImageDefinition> {
  const layers = await readLayers(projectDir, image, "strict")
  return flattenDefinitions(layers.map(({ definition }) => definition))
}

function wordsOf({ kernel }: ImageDefinition): string[] {
  return kernel.options.map(({ text }) => text)
}
