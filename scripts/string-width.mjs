// Replaces npm's string-width in the bundles, because help text is ASCII.
export default text => text.replace(/\u001b\[[0-9;]*m/g, '').length
