"""Importing this package registers every family: adding a family is adding a folder and its line
here."""

from engines.families import ageing as ageing
from engines.families import anystyle as anystyle
from engines.families import attngan as attngan
from engines.families import captioning as captioning
from engines.families import colourise as colourise
from engines.families import cyclegan as cyclegan
from engines.families import dagan as dagan
from engines.families import dream as dream
from engines.families import enlarge as enlarge
from engines.families import fader as fader
from engines.families import faststyle as faststyle
from engines.families import genegan as genegan
from engines.families import icgan as icgan
from engines.families import lineup as lineup
from engines.families import pix2pix as pix2pix
from engines.families import pix2pixhd as pix2pixhd
from engines.families import stargan as stargan
from engines.families import style as style
from engines.families import tools as tools
from engines.families import unmosaic as unmosaic
from engines.families import wordloop as wordloop
