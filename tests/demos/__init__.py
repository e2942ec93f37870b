# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenes of tests/demo.py: each has add_arguments() and run()."""
