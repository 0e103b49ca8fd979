"""Files of VQAv2, MMMU and MMBench, as people download them, made into a folder of questions that the table can ask."""
