"""The certificates that this node serves Ingresses with: from Secrets, or asked for by ACME."""
