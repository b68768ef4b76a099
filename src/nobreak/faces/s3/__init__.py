"""The S3 face: change one URL and any S3 application survives an outage."""
