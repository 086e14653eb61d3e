/** What the cases of every page have in common. */

/** Throws unless both are the same as JSON. */
export function equal(got, wanted, about = "") {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${about} got ${a}, wanted ${b}`);
}

/** Runs the cases, a method each, and leaves one line of each in the page: "ok NAME" or "failed NAME: why". */
export async function report(cases) {
  const lines = [];
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      lines.push(`ok ${name}`);
    } catch (error) {
      lines.push(`failed ${name}: ${error.message}`);
    }
  }
  document.getElementById("results").textContent = lines.join("\n");
}
