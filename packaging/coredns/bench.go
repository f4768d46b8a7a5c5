//go:build bench

package main

// What gather is measured against (bench/dns.py): not in what nodes get.
import _ "github.com/coredns/coredns/plugin/file"
