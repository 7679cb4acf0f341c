// What stands on the wire, as far as the adapter looks at it.
export {};
