"""Decentralized gradient methods: workers average with their neighbours and step down gradients of their own."""
