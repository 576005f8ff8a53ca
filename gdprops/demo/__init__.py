"""The source text's question, answered by running it: does one step train layer by layer?"""
