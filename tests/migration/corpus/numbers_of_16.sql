select 0x1F, 0o17, 0b11, 1_000, 1_0.5_0e1_0, 0xAb_Cd;
