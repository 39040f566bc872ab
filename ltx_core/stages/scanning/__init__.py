"""What lies in the sources: folders, patterns, dataset files and object stores, with content digests."""
