/** Images that are on the host. */
import { isHoldfastError } from '../errors.js';
import { assertPlainName, statusOf, type Engine } from './engine.js';

/** Is the image there, so that nothing has to be pulled? */
export async function imageExists(engine: Engine, image: string): Promise<boolean> {
  const found = engine.docker.getImage(assertPlainName(image, 'image'));
  try {
    await engine.call({ action: `inspect image ${image}`, image }, () => found.inspect());
    return true;
  } catch (error) {
    if (isHoldfastError(error) && statusOf(error) === 404) return false;
    throw error;
  }
}
