# base, profile strict, as Packer sees it. Rendered by `stereo packer`; the same image gives the same file.
#
# The disk is sealed: its root is read-only and measured (dm-verity), and the kernel opens no other. So nothing is
# installed here. Packer does with it what a pipeline does with any image: boots it as a gate, checks that it came
# out as it went in, records it, and registers it where machines are started from it.
#
#   image    sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
#   root     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (dm-verity)
#   disk     sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc, 1200000000 bytes
#
# Nothing here is a secret, and nothing secret belongs here: AWS's credentials come from the environment.

packer {
  required_version = ">= 1.7.0"

  required_plugins {
    qemu = {
      version = "~> 1.1"
      source  = "github.com/hashicorp/qemu"
    }
    # 1.2.6 is the first that registers an AMI with a TPM
    amazon = {
      version = "~> 1.3"
      source  = "github.com/hashicorp/amazon"
    }
  }
}

# ---- the disk -------------------------------------------------------------------------------------------------

variable "disk" {
  type        = string
  description = "The sealed disk, raw. Empty: the file base.raw beside this template."
  default     = ""
}

variable "disk_sha256" {
  type        = string
  description = "What the disk has to be. Another value means another image: render the template anew instead."
  default     = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

  validation {
    condition     = length(var.disk_sha256) == 64 && regex_replace(var.disk_sha256, "[0-9a-f]", "") == ""
    error_message = "The disk's sha256 has 64 lower-case hex digits."
  }
}

# ---- the gate: QEMU -------------------------------------------------------------------------------------------

variable "output_directory" {
  type        = string
  description = "Where the disk that has passed lies afterwards. It must not exist."
  default     = "output-base"

  validation {
    # QEMU would take a comma for the next option
    condition     = length(var.output_directory) > 0 && regex_replace(var.output_directory, "[^,]", "") == ""
    error_message = "The folder's name may not be empty or hold a comma."
  }
}

variable "qemu_binary" {
  type        = string
  description = "QEMU for x86-64, 7.2 or newer: a name, or a path."
  default     = "qemu-system-x86_64"
}

variable "accelerator" {
  type        = string
  description = "kvm, or tcg (emulated, about ten times as slow) where there is no KVM."
  default     = "kvm"

  validation {
    condition     = contains(["kvm", "tcg", "hvf"], var.accelerator)
    error_message = "The accelerator is one of kvm, tcg, hvf."
  }
}

variable "ovmf_code" {
  type        = string
  description = "UEFI firmware for QEMU, its code; opened read-only."
  default     = "/usr/share/OVMF/OVMF_CODE_4M.fd"

  validation {
    condition     = length(var.ovmf_code) > 0 && regex_replace(var.ovmf_code, "[^,]", "") == ""
    error_message = "The firmware's path may not be empty or hold a comma."
  }
}

variable "ovmf_vars" {
  type        = string
  description = "UEFI firmware for QEMU, its variables; what the firmware writes is thrown away."
  default     = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  validation {
    condition     = length(var.ovmf_vars) > 0 && regex_replace(var.ovmf_vars, "[^,]", "") == ""
    error_message = "The firmware's path may not be empty or hold a comma."
  }
}

variable "stereo" {
  type        = string
  description = "The program stereo, which asks the machine what it is. It must know the image: stereo images."
  default     = "stereo"
}

variable "ready_timeout" {
  type        = string
  description = "How long the machine may take until it has measured itself."
  default     = "5m"
}

# ---- the AMI --------------------------------------------------------------------------------------------------

variable "region" {
  type        = string
  description = "The AWS region in which the AMI is made."
  default     = "eu-central-1"

  validation {
    condition     = regex_replace(var.region, "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", "") == "" && length(var.region) > 0
    error_message = "A region's name looks like eu-central-1."
  }
}

variable "copy_to_regions" {
  type        = list(string)
  description = "Regions to which the AMI is copied afterwards."
  default     = ["us-east-1"]
}

variable "ami_name" {
  type        = string
  description = "The AMI's name, one of a kind in its region and account."
  default     = "stereo-base-bbbbbbbbbbbb"

  validation {
    condition     = length(var.ami_name) >= 3 && length(var.ami_name) <= 128 && regex_replace(var.ami_name, "[-a-zA-Z0-9()\\[\\] ./'@_]", "") == ""
    error_message = "An AMI's name has 3 to 128 of the characters that AWS allows."
  }
}

variable "instance_type" {
  type        = string
  description = "Of the machine that writes the disk; it runs for some minutes."
  default     = "t3.micro"
}

variable "volume_gib" {
  type        = number
  description = "Size of the AMI's volume in GiB; the disk itself has 1200000000 bytes."
  default     = 2

  validation {
    condition     = var.volume_gib >= 2
    error_message = "The disk does not fit."
  }
}

variable "subnet_id" {
  type        = string
  description = "Subnet of the machine that writes the disk; empty: the default VPC's."
  default     = ""
}

variable "kms_key_id" {
  type        = string
  description = "Key that encrypts the volume of the AMI; empty: not encrypted. The root is public, its integrity is dm-verity's."
  default     = ""
}

locals {
  disk    = var.disk != "" ? var.disk : "${path.root}/base.raw"
  vm_name = "base.raw"
  tags = {
    Name             = var.ami_name
    "stereo:image"   = "base"
    "stereo:profile" = "strict"
    "stereo:digest"  = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    "stereo:root"    = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "stereo:disk"    = "sha256:${var.disk_sha256}"
  }
}

source "qemu" "gate" {
  # a copy of the disk, checked against its digest before anything starts; no conversion, no other size
  iso_url              = local.disk
  iso_checksum         = "sha256:${var.disk_sha256}"
  iso_target_extension = "raw"
  disk_image           = true
  format               = "raw"
  skip_resize_disk     = true
  skip_compaction      = true
  output_directory     = var.output_directory
  vm_name              = local.vm_name

  qemu_binary  = var.qemu_binary
  accelerator  = var.accelerator
  machine_type = "q35"
  cpus         = 2
  memory       = 1024
  headless     = true

  # nothing is typed at its screen, which it does not have
  disable_vnc = true
  boot_wait   = "-1s"

  # there is no login in the image; what is to be known is asked over the machine's control wire
  communicator     = "none"
  shutdown_timeout = "2m"

  qemuargs = [
    ["-cpu", "max"],
    ["-display", "none"],
    # a guest that panics ends, and the gate says so at once
    ["-no-reboot"],
    ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=${var.ovmf_code}"],
    ["-drive", "if=pflash,unit=1,format=raw,snapshot=on,file=${var.ovmf_vars}"],
    # read-only: what is judged cannot be changed by what is judged, nor by firmware that keeps its variables on the ESP
    ["-drive", "if=virtio,format=raw,readonly=on,file={{ .OutputDir }}/{{ .Name }}"],
    # nothing answers it: a gateway is not needed to be measured
    ["-netdev", "user,id=user.0,restrict=on,ipv6=off"],
    ["-serial", "file:${var.output_directory}.console.log"],
    ["-chardev", "socket,id=control,server=on,wait=off,path=${var.output_directory}.control"],
    ["-device", "virtio-serial-pci"],
    ["-device", "virtserialport,chardev=control,name=stereo.control"],
    ["-device", "virtio-rng-pci"],
  ]
}

build {
  name    = "gate"
  sources = ["source.qemu.gate"]

  # Waits until the machine has measured its packet filter, its units and its root, compares them with the image's
  # manifest, and turns it off. A machine that is anything else fails the build, and its disk is removed.
  provisioner "shell-local" {
    environment_vars = [
      "STEREO=${var.stereo}",
      "IMAGE=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
      "CONTROL=${var.output_directory}.control",
      "TIMEOUT=${var.ready_timeout}",
    ]
    inline = ["\"$STEREO\" attest \"$IMAGE\" --control \"$CONTROL\" --timeout \"$TIMEOUT\" --shutdown"]
  }

  post-processors {
    # the disk that passed is the disk that was sealed, byte for byte
    post-processor "shell-local" {
      environment_vars = [
        "SHA256=${var.disk_sha256}",
        "DISK=${var.output_directory}/${local.vm_name}",
      ]
      inline = ["printf '%s  %s\\n' \"$SHA256\" \"$DISK\" | sha256sum -c -"]
    }

    post-processor "checksum" {
      checksum_types = ["sha256"]
      output         = "${var.output_directory}/${local.vm_name}.{{ .ChecksumType }}"
    }

    post-processor "manifest" {
      output     = "${var.output_directory}/packer-manifest.json"
      strip_path = true
      custom_data = {
        image  = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        root   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        sha256 = var.disk_sha256
      }
    }
  }
}

# A small machine of Debian's writes the disk onto a second volume, reads it back, and is thrown away with all that
# is its own; the volume becomes the AMI's only one.
source "amazon-ebssurrogate" "ami" {
  region        = var.region
  ami_name      = var.ami_name
  ami_regions   = var.copy_to_regions
  instance_type = var.instance_type
  subnet_id     = var.subnet_id
  kms_key_id    = var.kms_key_id
  encrypt_boot  = var.kms_key_id != "" ? true : null

  # Debian 13 from Debian's own account, the newest
  source_ami_filter {
    owners      = ["136693071363"]
    most_recent = true
    filters = {
      name                = "debian-13-amd64-*"
      architecture        = "x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }
  ssh_username            = "admin"
  temporary_key_pair_type = "ed25519"

  # of the machine that writes, too: no credentials for whoever can make it send a plain request
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  launch_block_device_mappings {
    device_name           = "/dev/sdf"
    volume_type           = "gp3"
    volume_size           = var.volume_gib
    delete_on_termination = true
  }

  ami_root_device {
    source_device_name    = "/dev/sdf"
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = var.volume_gib
    delete_on_termination = true
  }

  ami_virtualization_type = "hvm"
  ena_support             = true
  ami_architecture        = "x86_64"
  boot_mode               = "uefi"
  tpm_support             = "v2.0"
  imds_support            = "v2.0"

  tags          = local.tags
  snapshot_tags = local.tags
  run_tags      = { Name = "packer, writes ${var.ami_name}" }
}

build {
  name    = "ami"
  sources = ["source.amazon-ebssurrogate.ami"]

  provisioner "file" {
    source      = local.disk
    destination = "/var/tmp/sealed.raw"
  }

  provisioner "shell" {
    script          = "${path.root}/write-volume.sh"
    execute_command = "sudo env {{ .Vars }} sh {{ .Path }}"
    environment_vars = [
      "DISK=/var/tmp/sealed.raw",
      "DISK_SHA256=${var.disk_sha256}",
      "VOLUME_GIB=${var.volume_gib}",
    ]
  }

  post-processor "manifest" {
    output = "packer-manifest-${var.ami_name}.json"
    custom_data = {
      image = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
      root  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    }
  }
}
