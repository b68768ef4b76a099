"""What `nobreak doctor` looks at: one module for each part, each look gives findings."""
