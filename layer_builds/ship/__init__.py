"""What becomes of an archive: the artifact bucket, its bill of materials, its licences, known vulnerabilities."""
