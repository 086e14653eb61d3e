/**
 * Headers with which a request names who asks (RFC 6750, section 2.1).
 * @param {string} token empty for none @returns {Record<string, string>}
 */
export function bearing(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}
