# What a checkpointed guest needs and what the tests compare it with: fewer
# devices make a smaller QEMU, a quicker build and less to attack.
CONFIG_MICROVM=y
CONFIG_Q35=y
CONFIG_I440FX=y
CONFIG_ISA_DEBUG=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
# The virtual host of the tests boots from disks of this kind (tests/platform).
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_TEST_DEVICES=y
CONFIG_CKPT=y
