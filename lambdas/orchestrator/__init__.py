"""CodeRipple: a push to GitHub in, a proposal for its documentation published. The work is the package `coderipple`."""
