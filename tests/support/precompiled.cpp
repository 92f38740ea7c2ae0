// The library of the precompiled headers wants a source.
