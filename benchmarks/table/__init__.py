"""The table: every system that is compared, by link and temperature, on the wall clock and on the virtual one."""
