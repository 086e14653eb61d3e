/** The page's own address: what it asks for, and the choices it keeps so that reloading finds them. */

export const query = new URLSearchParams(location.search);

/** Empty for none. */
export const token = query.get("token") ?? "";

/** @param {string} name @param {string} value empty to forget it */
export function remember(name, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history.replaceState(null, "", address.href.replaceAll("%3A", ":"));
}
